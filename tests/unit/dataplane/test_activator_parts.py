"""The activator's small parts: endpoints, journal, cold starts, demand, configuration."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from knet.dataplane.activator_backends import (
    Backends,
    Seat,
    activators,
    backends,
    revision_of,
    rules,
    seat,
    with_seats,
)
from knet.dataplane.activator_coldstart import ColdStarts
from knet.dataplane.activator_config import ActivatorBootstrap
from knet.dataplane.activator_demand import Demand, middle_after
from knet.dataplane.activator_gate import Gate, Room, Rules
from knet.dataplane.activator_journal import Entry, Journal, under_way
from knet.dataplane.activator_metrics import Counts, text
from knet.envoy.bootstrap import Tcp
from knet.scaling.stat import Report, Stat

KEY = ("default", "hello-00001")


def endpoints(*subsets, kind="Private", **labels):
    labels = {
        "networking.internal.knative.dev/serviceType": kind,
        "serving.knative.dev/revision": "r",
        **labels,
    }
    return {"metadata": {"name": "r-private", "namespace": "n", "labels": labels}, "subsets": list(subsets)}


def subset(ready=(), other=(), **ports):
    made = {"ports": [{"name": name.replace("_", "-"), "port": port} for name, port in ports.items()]}
    if ready:
        made["addresses"] = [{"ip": ip} for ip in ready]
    if other:
        made["notReadyAddresses"] = [{"ip": ip} for ip in other]
    return made


def test_ports_are_found_by_name_in_every_subset():
    found = endpoints(
        subset(["10.0.0.2"], ["10.0.0.1"], https=8112, http=8012, http_autometric=9090),
        subset(["10.0.0.3"], http=20007),
        subset(["10.0.0.4"], metrics=9090),
    )
    assert backends(found) == Backends(("10.0.0.2:8012", "10.0.0.3:20007"), ("10.0.0.1:8012",), "h1")
    assert backends(endpoints(subset(["fd00::1"], http2=8013))) == Backends(("[fd00::1]:8013",), (), "h2c")
    assert backends(None) == backends(endpoints()) == Backends()
    assert revision_of(found) == ("n", "r")
    assert activators(found) == ("10.0.0.1:8012", "10.0.0.2:8012", "10.0.0.3:20007")


def pod(ip="10.0.0.9", port=8012, phase="Running", **meta):
    containers = [
        {"ports": [{"containerPort": 8080}]},
        {"ports": [{"name": "queue-port", "containerPort": port}]},
    ]
    labels = {"serving.knative.dev/revision": "r"}
    return {
        "metadata": {"name": "p", "namespace": "n", "labels": labels, **meta},
        "spec": {"containers": containers},
        "status": {"podIP": ip, "phase": phase},
    }


def test_a_pod_tells_where_it_is_before_endpoints_do():
    assert seat(pod()) == Seat(("n", "r"), "10.0.0.9:8012", "h1")
    assert seat(pod("fd00::1", 8013)) == Seat(("n", "r"), "[fd00::1]:8013", "h2c")
    assert seat(pod(annotations={"knet.dev/ports": '{"8012": 20001}'})).address == "10.0.0.9:20001"
    assert seat(pod(annotations={"knet.dev/ports": "somebody's words"})).address == "10.0.0.9:8012"
    for nowhere in (
        pod(""),
        pod(phase="Failed"),
        pod(deletionTimestamp="2026-01-01T00:00:00Z"),
        {"metadata": {"namespace": "n"}},
    ):
        assert seat(nowhere).address == ""


def test_endpoints_count_before_what_pods_say_of_themselves():
    one, two = Seat(KEY, "10.0.0.1:8012", "h1"), Seat(KEY, "10.0.0.2:8013", "h2c")
    assert with_seats(Backends(), [two, Seat(KEY, "", "h1")]) == Backends((), ("10.0.0.2:8013",), "h2c")
    told = Backends(("10.0.0.1:8012",), ("10.0.0.3:8012",), "h1")
    assert with_seats(told, [one]) == told
    assert with_seats(told, [one, two]).other == ("10.0.0.2:8013", "10.0.0.3:8012")


def test_what_a_revision_asks_for_and_what_counts_without():
    assert rules({"spec": {"containerConcurrency": 7, "timeoutSeconds": 20}}) == Rules(7, 20.0)
    clocks = {"timeoutSeconds": 20, "responseStartTimeoutSeconds": 5, "idleTimeoutSeconds": 0}
    assert rules({"spec": clocks}) == Rules(0, 5.0), "nobody who waits has an answer yet"
    assert rules({}) == Rules(0, 300.0)


def test_a_journal_tells_what_is_under_way(tmp_path):
    first = Journal(tmp_path / "under-way")
    assert first.open() == []
    for n in range(4):
        first.took(Entry(f"e.{n}", "n", "r", "10.0.0.1:8012"))
    first.ended("e.1")
    first.ended("e.9")
    with (tmp_path / "under-way").open("a") as file:
        file.write("+ e.7 n r 10.0")  # killed in the middle of a line
    second = Journal(tmp_path / "under-way")
    assert [e.lease for e in second.open()] == ["e.0", "e.2", "e.3"]
    second.ended("e.0")
    third = Journal(tmp_path / "under-way")
    assert [e.lease for e in third.open()] == ["e.2", "e.3"]
    third.close()
    assert not (tmp_path / "under-way").exists()


def test_a_journal_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("knet.dataplane.activator_journal._MOST", 4000)
    journal = Journal(tmp_path / "under-way")
    journal.open()
    journal.took(Entry("stays", "n", "r", "a:1"))
    for n in range(1000):
        journal.took(Entry(f"e.{n}", "n", "r", "a:1"))
        journal.ended(f"e.{n}")
    assert (tmp_path / "under-way").stat().st_size < 5000
    lines = (tmp_path / "under-way").read_text().splitlines(keepends=True)
    assert [e.lease for e in under_way(lines)] == ["stays"]


def test_a_cold_start_by_phase():
    cold = ColdStarts()
    cold.begin(KEY, 10.0)
    cold.begin(KEY, 10.5)
    cold.reach(("other", "r"), "decide", 11.0)
    cold.reach(KEY, "decide", 10.01)
    cold.reach(KEY, "decide", 10.02)
    cold.reach(KEY, "start", 10.1)
    cold.reach(KEY, "ready", 10.25)
    assert cold.under_way(KEY)
    cold.reach(KEY, "first_byte", 10.253)
    assert not cold.under_way(KEY)
    wanted = {"decide": 0.01, "start": 0.09, "ready": 0.15, "first_byte": 0.003}
    assert cold.last[KEY] == pytest.approx(wanted)
    lines = list(cold.text())
    assert 'knet_cold_start_seconds_bucket{phase="start",le="0.1"} 1' in lines
    assert 'knet_cold_start_seconds_bucket{phase="start",le="0.05"} 0' in lines
    assert 'knet_cold_start_seconds_bucket{phase="total",le="+Inf"} 1' in lines
    assert 'knet_cold_start_seconds_sum{phase="total"} 0.253000' in lines


def test_phases_that_nobody_told_of_take_no_time():
    cold = ColdStarts()
    cold.begin(KEY, 1.0)
    cold.reach(KEY, "ready", 1.5)
    cold.reach(KEY, "first_byte", 1.6)
    assert cold.last[KEY] == pytest.approx({"decide": 0.5, "start": 0, "ready": 0, "first_byte": 0.1})


def gate():
    numbers = itertools.count(1)
    return Gate(KEY, Rules(), 0.0, lambda: next(numbers), Room())


def test_demand_is_told_at_once_then_every_second_and_once_more_when_it_ends():
    g, demand = gate(), Demand("a")
    leases = []
    g.arrive(leases.append, 0.0)
    assert demand.cold(g, 0.0) == Report(*KEY, Stat("a", concurrency=1, requests=1))
    g.arrive(leases.append, 0.5)
    assert demand.cold(g, 0.5) is None
    assert demand.period([g], 1.0) == [Report(*KEY, Stat("a", concurrency=1.5, requests=1))]
    g.resize({"p": ("h1", 0)}, 1.5)
    for lease in leases:
        g.done(lease, 1.5)
    assert demand.period([g], 2.0) == [Report(*KEY, Stat("a", concurrency=1.0))]
    assert demand.period([g], 3.0) == [Report(*KEY, Stat("a"))]
    assert demand.period([g], 4.0) == []
    g.arrive(leases.append, 5.0)
    assert demand.cold(g, 5.0) is not None


def test_who_knows_nothing_is_told_of_all_that_is_inside():
    g, idle, demand = gate(), gate(), Demand("a")
    g.arrive(lambda _: None, 0.0)
    g.arrive(lambda _: None, 0.0)
    assert demand.again([g, idle]) == [Report(*KEY, Stat("a", concurrency=2, requests=2))]


def test_a_request_goes_only_where_its_metadata_say_never_where_a_header_does():
    made = ActivatorBootstrap(Path("/run/a"), [("http1", Tcp("10.0.0.7", 8012))]).data()
    pods = [c for c in made["static_resources"]["clusters"] if c.get("type") == "ORIGINAL_DST"]
    assert len(pods) == 2
    for cluster in pods:
        assert set(cluster["original_dst_lb_config"]) == {"metadata_key"}
    (listener,) = made["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    names = {c["name"] for c in pods}
    to_pods = [r for r in routes if r.get("route", {}).get("cluster") in names]
    assert len(to_pods) == 2
    for route in to_pods:
        assert "dynamic_metadata" in route["match"]
        assert "typed_per_filter_config" not in route  # the question is never left out
    removed = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
    assert {"remove_on_match": {"key_matcher": {"prefix": "x-knet-"}}} in removed
    json.dumps(made)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (0.0, 7.2, 7.5),
        (0.0, 7.6, 8.5),
        (7.5, 7.5, 8.5),
        (7.5, 7.4996, 8.5),  # the sleep ended early: one report has been made of this second
        (7.5, 9.7, 10.5),  # it ended late
        (7.5, 3.1, 3.5),  # the clock was set back
    ],
)
def test_one_report_is_due_in_each_second(last, now, due):
    assert middle_after(last, now) == due


def test_metrics_leave_out_revisions_without_requests():
    g, idle = gate(), Gate(("n", "idle"), Rules(), 0.0, lambda: 1, Room())
    g.arrive(lambda _: None, 0.0)
    said = text([g, idle], Counts(held=3), ColdStarts(), connected=True, failures=2)
    assert "knet_activator_held_total 3\n" in said
    assert 'knet_activator_waiting{namespace="default",revision="hello-00001"} 1\n' in said
    assert (
        'kn_revision_request_queued{k8s_namespace_name="default",kn_revision_name="hello-00001"} 1\n' in said
    )
    assert (
        'kn_revision_request_active{k8s_namespace_name="default",kn_revision_name="hello-00001"} 0\n' in said
    )
    assert 'kn_activator_stats_conn_errors_total{peer="autoscaler"} 2\n' in said
    assert "idle" not in said
    assert said.endswith("\n")
