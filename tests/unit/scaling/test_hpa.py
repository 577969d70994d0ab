"""PodAutoscalers of the HPA's class, as plain data."""

from __future__ import annotations

import datetime as dt

import pytest

from knet.model.autoscaling import pod_autoscaler, serverless_service
from knet.scaling.config import Config
from knet.serving.podautoscaler_hpa import Around, make_hpa, reconcile

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def pa(**notes):
    annotations = {f"autoscaling.knative.dev/{k.replace('_', '-')}": v for k, v in notes.items()}
    return pod_autoscaler(
        {
            "metadata": {"name": "rev", "namespace": "ns", "uid": "u", "annotations": annotations},
            "spec": {
                "reachability": "Reachable",
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "rev-deployment"},
            },
        }
    )


def sks(status):
    conditions = [{"type": "Ready", "status": status}]
    said = {"conditions": conditions, "serviceName": "rev", "privateServiceName": "rev-private"}
    return serverless_service({"metadata": {"name": "rev", "namespace": "ns"}, "status": said})


@pytest.mark.parametrize(
    ("notes", "metric"),
    [
        (
            {"metric": "cpu", "target": "70.2"},
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 71}},
            },
        ),
        (
            {"metric": "memory", "target": "200"},
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "200Mi"}},
            },
        ),
        (
            {"metric": "queue_length", "target": "5"},
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "queue_length"},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            },
        ),
    ],
)
def test_what_it_is_scaled_by(notes, metric):
    spec = make_hpa(pa(**notes), Config())["spec"]
    assert spec["metrics"] == [metric]
    assert spec["maxReplicas"] == 2**31 - 1
    assert "minReplicas" not in spec
    assert spec["scaleTargetRef"]["name"] == "rev-deployment"


def averages(**notes):
    (metric,) = make_hpa(pa(**notes), Config())["spec"]["metrics"]
    (kind,) = set(metric) - {"type"}
    return metric[kind]["target"].get("averageValue", metric[kind]["target"].get("averageUtilization"))


def test_values_are_written_as_an_api_server_gives_them_back():
    memory = [averages(metric="memory", target=t) for t in ("0.5", "1023", "1024", "1536.9", "2048", "1e300")]
    assert memory == ["0", "1023Mi", "1Gi", "1536Mi", "2Gi", "2147483647Mi"]
    assert [averages(metric="depth", target=t) for t in ("0.9", "1500", "1000", "2e6")] == [
        "0",
        "1500",
        "1k",
        "2M",
    ]
    assert averages(metric="depth", target="1e300") == str(2**53)
    assert averages(metric="cpu", target="1e300") == 2**31 - 1


@pytest.mark.parametrize("target", ["x", "", "Inf", "NaN"])
def test_what_is_no_number_is_no_target(target):
    assert "metrics" not in make_hpa(pa(metric="cpu", target=target), Config())["spec"]


def test_bounds_and_window():
    spec = make_hpa(pa(min_scale="2", max_scale="5", window="90s"), Config())["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    rules = {"stabilizationWindowSeconds": 90}
    assert spec["behavior"] == {"scaleDown": rules, "scaleUp": rules}
    assert "metrics" not in spec


def conditions(made):
    return {c["type"]: c["status"] for c in made.status["conditions"]}


def test_it_is_ready_once_its_pods_are_and_never_behind_an_activator():
    begun = reconcile(pa(min_scale="2"), Around(Config()), NOW)
    assert begun.sks["spec"]["mode"] == "Serve"
    assert "numActivators" not in begun.sks["spec"]
    assert conditions(begun) == {
        "Active": "True", "Ready": "Unknown", "SKSReady": "Unknown", "ScaleTargetInitialized": "Unknown",
    }  # fmt: skip
    one = reconcile(pa(min_scale="2"), Around(Config(), sks("True"), ready=1), NOW)
    assert conditions(one)["ScaleTargetInitialized"] == "Unknown"
    two = reconcile(pa(min_scale="2"), Around(Config(), sks("True"), ready=2), NOW)
    assert conditions(two)["Ready"] == "True"
    assert (two.status["serviceName"], two.status["metricsServiceName"]) == ("rev", "rev-private")
    counted = {"status": {"currentReplicas": 3, "desiredReplicas": 4}}
    told = reconcile(pa(), Around(Config(), sks("True"), counted, ready=1), NOW)
    assert (told.status["desiredScale"], told.status["actualScale"]) == (4, 3)


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ServerlessService"])
def test_one_of_somebody_else_is_left_alone(kind):
    theirs = {"metadata": {}, "status": {"currentReplicas": 3, "desiredReplicas": 4}}
    before = {"serviceName": "rev", "actualScale": 1}
    owner = pa().model_copy(update={"status": before})
    made = reconcile(owner, Around(Config(), sks("True"), theirs, foreign=kind), NOW)
    assert made.hpa is None
    assert made.sks is None
    assert {key: made.status[key] for key in before} == before
    assert "desiredScale" not in made.status
    (active,) = [c for c in made.status["conditions"] if c["type"] == "Active"]
    assert (active["status"], active["reason"]) == ("False", "NotOwned")
    assert active["message"] == f'There is an existing {kind} "rev" that we do not own.'
    assert conditions(made)["Ready"] == "False"
