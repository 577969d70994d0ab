"""Pods counted as they come, change and go."""

from __future__ import annotations

import pytest

from knet.control.autoscaler.buckets import Buckets, address, identity
from knet.control.autoscaler.pods import Counts, Population, read

KEY = ("default", "rev")


def pod(name="a", phase="Running", *, ready=True, leaving=False, revision="rev"):
    meta = {"name": name, "namespace": "default", "labels": {"serving.knative.dev/revision": revision}}
    if leaving:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {
        "phase": phase,
        "conditions": conditions,
        "startTime": "1970-01-01T00:01:00Z",
        "podIP": "10.0.0.1",
    }
    return read({"metadata": meta, "status": status})


def test_states():
    population, told = Population(), []
    population.on_change(told.append)
    pending = pod(phase="Pending", ready=False)
    population.change(KEY, None, pending)
    assert population.counts(KEY) == Counts(0, 1, 1, 0)
    running = pod()
    population.change(KEY, pending, running)
    assert population.counts(KEY) == Counts(1, 0, 0, 0)
    assert running.started == 60.0
    leaving = pod(leaving=True)
    population.change(KEY, running, leaving)
    assert population.counts(KEY) == Counts(0, 1, 0, 1)
    assert [p.name for p in population.pods(KEY)] == ["a"]
    population.change(KEY, leaving, None)
    assert population.counts(KEY) == Counts()
    assert told == [KEY] * 4
    assert not list(population.pods(KEY))


@pytest.mark.parametrize(
    ("phase", "ready", "leaving", "counts"),
    [
        ("Pending", False, True, Counts(0, 1, 1, 0)),
        ("Running", False, False, Counts(0, 1, 0, 0)),
        ("Running", True, True, Counts(0, 1, 0, 1)),
        ("Running", False, True, Counts(0, 1, 0, 1)),
        ("Unknown", True, False, Counts()),
        ("Succeeded", False, True, Counts()),
    ],
)
def test_each_state_counts_as_upstreams(phase, ready, leaving, counts):
    population = Population()
    one = pod(phase=phase, ready=ready, leaving=leaving)
    population.change(KEY, None, one)
    assert population.counts(KEY) == counts
    population.change(KEY, one, pod())
    assert population.counts(KEY) == Counts(1, 0, 0, 0)


def test_failed_pods_count_nowhere_and_a_pod_may_change_its_revision():
    population = Population()
    population.change(KEY, None, pod(phase="Failed", ready=False))
    population.change(KEY, None, pod("b"))
    assert population.counts(KEY) == Counts(1, 0, 0, 0)
    other = ("default", "other")
    population.change(KEY, pod("b"), pod("b", revision="other"))
    assert (population.counts(KEY).ready, population.counts(other).ready) == (0, 1)


def test_identities_say_where_a_replica_listens():
    assert address(identity("pod-1", "10.0.0.1", 8080)) == "10.0.0.1:8080"
    assert address("autoscaler-abc_10.0.0.7") == "10.0.0.7:8080", "as upstream's"
    assert address("somebody") == ""


def test_every_revision_is_in_one_bucket():
    buckets = Buckets(None, 3, "me_127.0.0.1:1")
    found = {buckets.bucket(("default", f"rev-{i}")) for i in range(50)}
    assert found == {f"autoscaler-bucket-0{i}-of-03" for i in range(3)}
    assert not buckets.owns(("default", "rev-1"))
    assert buckets.holder(("default", "rev-1")) == ""
