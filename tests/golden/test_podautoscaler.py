"""PodAutoscalers with time: every reference timeline, and the objects that the reference makes of one."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from knet.model import autoscaling
from knet.scaling import config, spec
from knet.scaling.scaler import Probe
from knet.serving import serverless
from knet.serving.podautoscaler import (
    Around,
    Decision,
    asks,
    kpa,
    make_metric,
    make_sks,
    reconcile,
    rfc3339,
    spec_of,
)
from knet.text import go
from support import golden_names, golden_output, needs_golden

START = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Timeline:
    """One PodAutoscaler, with the ServerlessService's controller and the Deployment as the reference models them."""

    def __init__(self, case):
        maps = case.get("config") or {}
        self.config = config.parse(maps.get("config-autoscaler") or {})
        default = (maps.get("config-deployment") or {}).get("progress-deadline", "600s")
        self.deadline_ms = go.duration(default) // 10**6
        self.sks = None
        self.pa = self.parse(case["pa"], {})
        self.replicas = spec.initial_scale(kpa(self.pa), self.config)
        self.sticky = {}
        self.now = START

    def parse(self, said, status):
        return autoscaling.pod_autoscaler(
            {
                "metadata": {
                    "name": "rev",
                    "namespace": "ns",
                    "uid": "u",
                    "annotations": said.get("annotations") or {},
                },
                "spec": {
                    "containerConcurrency": said.get("containerConcurrency") or 0,
                    "reachability": said.get("reachability") or "",
                    "scaleTargetRef": {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "rev-deployment",
                    },
                },
                "status": status,
            }
        )

    def step(self, step):
        self.now += dt.timedelta(milliseconds=step["dt_ms"])
        if step.get("pa"):
            self.pa = self.parse(step["pa"], self.pa.status)
        self.sticky |= {key: value for key, value in step.items() if value is not None}
        ready = self.sticky["pods"]["ready"]
        decision = Decision(self.sticky["desired"], self.sticky["ebc"])
        around = Around(self.config, self.sks, decision, self.replicas, ready, self.deadline_ms)
        asked = asks(self.pa, around, self.now)
        made = reconcile(self.pa, around, self.now, Probe(self.sticky["probe"]))
        told = spec_of(self.pa, around)
        patches = None
        if made.replicas is not None:
            self.replicas = made.replicas
            patch = [{"op": "add", "path": "/spec/replicas", "value": made.replicas}]
            patches = [f"deployments ns/rev-deployment/scale {json.dumps(patch, separators=(',', ':'))}"]
        # the reference holds the times of upstream's reconciler, without the framework around it
        raw = made.conditions.as_set()
        self.pa = self.pa.model_copy(update={"status": {**made.status, "conditions": raw}})
        out = {
            "t_ms": (self.now - START) // dt.timedelta(milliseconds=1),
            "status_desired": made.status["desiredScale"],
            "status_actual": made.status["actualScale"],
            "status_service": made.status["serviceName"],
            "status_metrics_service": made.status["metricsServiceName"],
            "conditions": [self.condition(c) for c in raw],
            "sks_mode": made.sks["spec"]["mode"],
            "sks_num_activators": made.sks["spec"]["numActivators"],
            "patches": patches,
            "enqueue_ms": None if made.again_ms is None else [made.again_ms],
            "probes": int(asked),
            "offers": int(bool(made.scale and made.scale.probe_later)),
            "replicas_after": self.replicas,
        }
        if told is not None:
            out["spec"] = told.as_dict()
        self.serve(made.sks["spec"], ready, hold=step.get("hold_sks", False))
        return out

    def condition(self, c):
        since = self.now - dt.datetime.fromisoformat(c["lastTransitionTime"])
        kept = {key: c[key] for key in ("type", "status", "reason", "message") if key in c}
        return {**kept, "since_ms": since // dt.timedelta(milliseconds=1)}

    def serve(self, wanted, ready, hold):
        before = self.sks.status if self.sks else {}
        data = {"metadata": {"name": "rev", "namespace": "ns", "uid": "s"}, "spec": wanted, "status": before}
        self.sks = autoscaling.serverless_service(data)
        if not hold:
            private = {"subsets": [{"addresses": [{"ip": "10.0.0.1"}] * ready}]} if ready else None
            made = serverless.reconcile(self.sks, serverless.Around({}, private), rfc3339(self.now))
            self.sks = self.sks.model_copy(update={"status": made.status})


@needs_golden
@pytest.mark.parametrize("name", golden_names("kpa/timeline/inputs"))
def test_timeline(name):
    case = golden_output(f"kpa/timeline/inputs/{name}.json")
    timeline = Timeline(case)
    for i, (step, expected) in enumerate(
        zip(case["steps"], golden_output(f"kpa/timeline/outputs/{name}.json"), strict=True)
    ):
        got = timeline.step(step)
        assert got == expected, f"step {i}: {step}"


def test_a_change_of_mode_leaves_it_ready():
    """The ServerlessService's controller has not looked at what has just changed: its pods are ready all the same."""
    timeline = Timeline({"pa": {"annotations": {}}})
    step = {"dt_ms": 1000, "desired": 1, "ebc": 10, "probe": "ok", "pods": {"ready": 1}}
    for _ in range(3):
        timeline.step(step)
    newer = timeline.sks.metadata.model_copy(update={"generation": 2})
    timeline.sks = timeline.sks.model_copy(update={"metadata": newer})
    assert timeline.sks.status["observedGeneration"] == 1
    ready = [c["status"] for c in timeline.step(step)["conditions"] if c["type"] in ("Ready", "SKSReady")]
    assert ready == ["True", "True"]


@needs_golden
@pytest.mark.parametrize("name", golden_names("serving/outputs"))
def test_objects(name):
    """SKS and Metric of a new PodAutoscaler, then the Services of the SKS."""
    expected = golden_output(f"serving/outputs/{name}.json")
    maps = golden_output(f"serving/inputs/{name}.json").get("configmaps") or {}
    settings = config.parse(maps.get("config-autoscaler") or {})
    pa = autoscaling.pod_autoscaler(expected["pa_defaulted"])
    private = expected["metric"]["metadata"]["name"] + "-private"  # as the reference was asked
    assert bare(make_sks(pa, "Proxy", 2)) == without(expected["sks"], "status", "uid")
    made = make_metric(pa, spec.make_spec(kpa(pa), settings, private))
    assert bare(made) == without(expected["metric"], "status")
    sks = autoscaling.serverless_service(expected["sks"])
    selector = expected["deployment"]["spec"]["selector"]["matchLabels"]
    services = serverless.reconcile(sks, serverless.Around(selector), rfc3339(START)).services
    assert list(map(bare, services)) == [
        without(expected["private_service"], "status"),
        without(expected["public_service"], "status"),
    ]


def bare(item):
    return without(item, "apiVersion", "kind")


def without(item, *keys):
    made = {key: value for key, value in item.items() if key not in keys}
    return made | {"metadata": {key: value for key, value in item["metadata"].items() if key not in keys}}
