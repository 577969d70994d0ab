"""Hashed specs, probe targets and status equal net-istio's on every reference case."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from istio_reference import CASES, load
from knet.backends.api import State
from knet.backends.istio.status import status
from knet.backends.istio.targets import probe_targets
from knet.model import kingress
from knet.text import json
from support import golden_env, needs_golden

pytestmark = [needs_golden, pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")]


def test_probe_targets(case: str, variant: str) -> None:
    found = load(case, variant)
    gateways = {
        (o["metadata"]["namespace"], o["metadata"]["name"]): o
        for o in yaml.safe_load_all(golden_env("istio", "" if variant == "lenient" else variant))
        if o["kind"] == "Gateway"
    }
    for key, answer in found.answers.items():
        if answer.get("error"):
            continue
        made = probe_targets(found.table.ingresses[key], found.settings, gateways, found.world)
        assert [
            {"podIPs": list(t.pod_ips), "podPort": str(t.pod_port), "port": str(t.port), "urls": [t.url]}
            for t in made
        ] == (answer["probeTargets"] or [])


def test_status(case: str, variant: str) -> None:
    found = load(case, variant)
    for key, answer in found.answers.items():
        origin = found.table.ingresses[key].origin
        state = State.FAILED if answer.get("error") else State.READY
        previous = found.world.ingresses[key].status
        made = status(state, found.settings, origin, previous)
        if state is State.READY:  # the generation is set by what calls the reference, not in it
            assert made["observedGeneration"] == origin.generation
        assert unobserved(made) == unobserved(answer["status"])


def test_hashed_spec(case: str, variant: str) -> None:
    found = load(case, variant)
    for key, answer in found.answers.items():
        ingress = found.world.ingresses[key].defaulted()
        if "hashedSpec" in answer:
            assert json.go(kingress.spec_json(ingress.spec)).decode() == answer["hashedSpec"]
            assert found.table.ingresses[key].hash == answer["probeHash"]


def unobserved(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if k != "observedGeneration"}
