"""The PodAutoscaler scaler: every reference shot."""

from __future__ import annotations

import json

import pytest

from knet.scaling import config, scaler, spec
from knet.text import go
from support import golden_pairs, needs_golden

CASES = golden_pairs("kpa/scaler")


def result(case):
    maps = case.get("config") or {}
    settings = config.parse(maps.get("config-autoscaler") or {})
    made = case["pa"]
    pa = spec.PodAutoscaler(made["annotations"] or {}, made["containerConcurrency"], made["reachability"])
    deployment = maps.get("config-deployment") or {}
    default = go.duration(deployment.get("progress-deadline", "600s")) // 10**6
    observed = scaler.Observed(
        case["active"]["status"],
        case["active"]["since_ms"],
        case["scale_target_initialized"],
        case["sks_mode"] == "Proxy",
        case["sks_proxy_for_ms"],
        case["replicas"],
        scaler.progress_deadline(pa, default),
    )
    probed = scaler.needs_probe(case["desired"], pa, settings, observed)
    got = scaler.scale(case["desired"], pa, settings, observed, scaler.Probe(case["probe"]))
    patch = [{"op": "add", "path": "/spec/replicas", "value": got.want}]
    changes = got.apply and got.want != (1 if case["replicas"] is None else case["replicas"])
    text = f"deployments ns/rev-deployment/scale {json.dumps([patch[0]], separators=(',', ':'))}"
    least, most = spec.bounds(pa, settings)
    return {
        "want": got.want,
        "patches": [text] if changes and not case["deployment_missing"] else None,
        "enqueue_ms": None if got.again_ms is None else [got.again_ms],
        "probes": int(probed),
        "later": got.probe_later,
        "min": least,
        "max": most,
        "initial": spec.initial_scale(pa, settings),
    }


@needs_golden
@pytest.mark.parametrize(("case", "expected"), CASES, ids=[case["name"] for case, _ in CASES])
def test_scaler(case, expected):
    got = result(case)
    assert got.pop("later") == bool(expected["offers"])
    assert got == {key: expected[key] for key in got}
