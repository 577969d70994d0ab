"""What `knet top` makes of what it is told."""

from __future__ import annotations

from rich.console import Console

from knet.cli.top_rows import Reading, samples, told
from knet.cli.top_view import view
from knet.rollout.counts import Counts
from knet.rollout.histogram import histogram

KEY = ("default", "hello-00001")
AUTOSCALER = """\
# HELP kn_revision_panic_mode 1 while in panic
kn_revision_concurrency_stable{k8s_namespace_name="default",kn_revision_name="hello-00001"} 3.5
kn_revision_concurrency_target{k8s_namespace_name="default",kn_revision_name="hello-00001"} 7
kn_revision_panic_mode{k8s_namespace_name="default",kn_revision_name="hello-00001"} 1
not a line
"""
ACTIVATOR = """\
knet_activator_waiting{namespace="default",revision="hello-00001"} 2
knet_cold_start_last_seconds{namespace="default",revision="hello-00001",phase="decide"} 0.02
knet_cold_start_last_seconds{namespace="default",revision="hello-00001",phase="first_byte"} 0.003
"""


def ready(value, **more):
    return {"conditions": [{"type": "Ready", "status": value, "message": "it waits"}], **more}


def meta(name, **labels):
    return {"namespace": "default", "name": name, "labels": labels}


def pod(value, **more):
    labels = {"serving.knative.dev/revision": KEY[1]}
    return {
        "metadata": {"namespace": "default", "name": "p", "labels": labels, **more},
        "status": ready(value),
    }


def reading(at, requests=0.0, errors=0.0):
    traffic = [
        {"revisionName": KEY[1], "percent": 90},
        {"revisionName": KEY[1], "percent": 10, "tag": "canary"},
    ]
    return Reading(
        at,
        ({"metadata": meta("hello"), "status": ready("True", traffic=traffic)},),
        ({"metadata": meta(KEY[1], **{"serving.knative.dev/service": "hello"}), "status": ready("True")},),
        ({"metadata": meta(KEY[1]), "status": {"desiredScale": 3, "actualScale": 1}},),
        (pod("True"), pod("False"), pod("True", deletionTimestamp="2026-01-01T00:00:00Z")),
        samples(AUTOSCALER),
        samples(ACTIVATOR * 2),
        {KEY: Counts(requests, errors, histogram([(10, 11, requests)] if requests else []))},
    )


def test_everything_of_a_revision():
    (service,) = told(reading(12.0, 30, 2), reading(10.0, 10, 0))["services"]
    (found,) = service["revisions"]
    assert found["percent"] == 100
    assert found["tags"] == ["canary"]
    assert found["pods"] == {"ready": 1, "starting": 1, "ending": 1}
    assert (found["desired"], found["actual"], found["panic"]) == (3, 1, True)
    assert (found["average"], found["target"]) == (3.5, 7)
    assert found["waiting"] == 4, "two activators"
    assert (found["requests_per_second"], found["errors_per_second"]) == (10, 1)
    assert 10 <= found["latency_ms"]["p50"] <= 11
    assert found["cold_start_ms"] == {"decide": 20, "first_byte": 3}


def test_rates_need_two_readings_of_the_same_counters():
    for before in (None, reading(10.0, 50)):
        (found,) = told(reading(12.0, 30), before)["services"][0]["revisions"]
        assert found["requests_per_second"] is None
        assert found["latency_ms"] is None


def test_the_table():
    console = Console(width=160, record=True, file=None)
    with console.capture() as capture:
        console.print(view(told(reading(12.0, 30, 2), reading(10.0, 10, 0))))
    text = capture.get()
    for words in (
        "default/hello",
        "hello-00001 #canary",
        "1 +1 -1",
        "3.5 of 7 each",
        "panic",
        "10.0",
        "23 (20+3)",
    ):
        assert words in text


def test_a_service_that_is_not_ready_says_why():
    base = reading(1.0)
    service = {"metadata": meta("hello"), "status": ready("False")}
    found = told(Reading(1.0, (service,), base.revisions), None)
    assert found["services"][0]["why"] == "it waits"
    with (console := Console(width=100)).capture() as capture:
        console.print(view(found))
    assert "default/hello: it waits" in capture.get()
