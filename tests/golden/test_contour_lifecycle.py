"""The endpoint probe, hashes, probe targets and status equal net-contour's on every reference case."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from knet.backends.contour import backend
from knet.backends.contour.endpoint_probe import endpoint_probe
from knet.backends.contour.httpproxies import ProxyMaker
from knet.backends.contour.placement import place
from knet.backends.contour.settings import Settings
from knet.backends.contour.status import Stage, status
from knet.backends.contour.targets import probe_targets
from knet.model import core, kingress
from knet.routing.build import build, build_ingress
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World
from knet.text import json
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, needs_golden, world

FOLDERS = {
    "": ("kingress/inputs", "kingress/outputs/contour"),
    "lenient": ("kingress/lenient/inputs", "kingress/lenient/outputs/contour"),
}
VARIANTS = sorted(p.name for p in (GOLDEN / "kingress/variants/contour").glob("*"))
CASES = [
    *((case, "") for case in golden_names("kingress/inputs", "*.yaml")),
    *((case, "lenient") for case in golden_names("kingress/lenient/inputs", "*.yaml")),
    *(
        (case, variant)
        for variant in VARIANTS
        for case in golden_names(f"kingress/variants/contour/{variant}", "*.json")
    ),
]
pytestmark = [needs_golden, pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")]


def slices(text: str) -> str:
    """The EndpointSlices of the plain Endpoints in a YAML stream."""
    made = []
    for found in yaml.safe_load_all(text):
        if found and found["kind"] == "Endpoints":
            name = found["metadata"]["name"]
            for i, subset in enumerate(found["subsets"]):
                labels = {core.SERVICE_NAME_LABEL: name}
                made.append(
                    {
                        "apiVersion": "discovery.k8s.io/v1",
                        "kind": "EndpointSlice",
                        "metadata": {**found["metadata"], "name": f"{name}-{i}", "labels": labels},
                        "addressType": "IPv4",
                        "endpoints": [{"addresses": [a["ip"]]} for a in subset["addresses"]],
                        "ports": subset["ports"],
                    }
                )
    return yaml.safe_dump_all(made)


def load(case: str, variant: str) -> tuple[World, RoutingTable, Settings, dict[Key, dict[str, Any]]]:
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/contour/{variant}"))
    env = golden_env("contour", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "contour", inputs), env, slices(env))
    settings, problems = backend.settings(made)
    assert not problems
    upstream = golden_output(f"{outputs}/{case}.json")["ingresses"]
    answers = {tuple(i["ingress"].split("/")): i for i in upstream if "skipped" not in i}
    return made, build(made, backend.ingress_class), settings, answers


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
        assert targets(build_ingress(child), settings) == answer["endpointProbeTargets"]


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
