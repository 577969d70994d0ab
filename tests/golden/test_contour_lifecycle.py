"""The endpoint probe, hashes, probe targets and status equal net-contour's on every reference case."""

from __future__ import annotations

from typing import Any

import pytest

from contour_reference import CASES, load
from knet.backends.contour.endpoint_probe import endpoint_probe
from knet.backends.contour.httpproxies import ProxyMaker
from knet.backends.contour.placement import place
from knet.backends.contour.settings import Settings
from knet.backends.contour.status import Stage, status
from knet.backends.contour.targets import probe_targets
from knet.model import kingress
from knet.routing.build import build_ingress
from knet.text import json
from support import needs_golden

pytestmark = [needs_golden, pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")]


def targets(table: Any, settings: Settings) -> list[dict[str, Any]]:
    return [
        {"podIPs": list(t.pod_ips), "podPort": str(t.pod_port), "port": str(t.port), "urls": list(t.urls)}
        for t in probe_targets(table, settings)
    ]


def test_endpoint_probe(case: str, variant: str) -> None:
    _, table, settings, answers = load(case, variant)
    for key, answer in answers.items():
        if "endpointProbeIngress" not in answer:
            assert len(key[1]) > 63
            continue
        child = endpoint_probe(table.ingresses[key], settings)
        made = plain(kingress.to_dict(child))
        wanted = answer["endpointProbeIngress"]
        assert made["metadata"] == wanted["metadata"]
        assert made["spec"] == wanted["spec"]
        assert plain(kingress.spec_json(child.defaulted().spec)) == answer["endpointProbeDefaulted"]
        assert targets(build_ingress(child), settings) == (answer["endpointProbeTargets"] or [])


def test_endpoint_probe_proxies(case: str, variant: str) -> None:
    _, table, settings, answers = load(case, variant)
    for key, answer in answers.items():
        if "endpointProbeProxies" not in answer or "endpointProbeError" in answer:
            continue
        child = build_ingress(endpoint_probe(table.ingresses[key], settings))
        made = ProxyMaker(table.upstreams, settings).proxies(child, place(child, settings))
        wanted = {
            p["metadata"]["name"]: (p["metadata"], p["spec"]) for p in answer["endpointProbeProxies"] or ()
        }
        assert {p["metadata"]["name"]: (p["metadata"], p["spec"]) for p in made} == wanted


def test_hash_and_targets(case: str, variant: str) -> None:
    made, table, settings, answers = load(case, variant)
    for key, answer in answers.items():
        ingress = made.ingresses[key]
        assert json.go(kingress.spec_json(ingress.spec)).decode() == answer["hashedSpec"]
        assert table.ingresses[key].raw_hash == answer["probeHash"]
        assert targets(table.ingresses[key], settings) == (answer["probeTargets"] or [])


def test_status(case: str, variant: str) -> None:
    made, table, settings, answers = load(case, variant)
    for key, answer in answers.items():
        ingress = made.ingresses[key]
        before = Stage.NEW if "errorPass1" in answer else Stage.ENDPOINTS
        after = Stage.READY if answer["attempts"][-1] == "ok" else Stage.NEW
        for stage, wanted in ((before, answer["statusPass1"]), (after, answer["status"])):
            found = status(stage, settings, table.ingresses[key].origin.generation, ingress.status)
            assert by_type(found) == by_type(wanted)


def by_type(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "conditions": {c["type"]: c for c in found["conditions"]}}


def plain(data: Any) -> Any:
    """The data as JSON has it."""
    return json.loads(json.dumps(data))
