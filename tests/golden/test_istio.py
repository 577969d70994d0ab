"""Istio's objects equal net-istio's on every reference case: names, labels, annotations, owners, specs."""

from __future__ import annotations

from typing import Any

import pytest

from knet.backends.istio import backend
from knet.routing.build import build
from support import golden_env, golden_input, golden_names, golden_output, needs_golden, world

CASES = [("", "kingress/inputs", case) for case in golden_names("kingress/inputs")]
CASES += [("", "kingress/lenient/inputs", case) for case in golden_names("kingress/lenient/inputs")]
VARIANTS = ("cluster-local-tls", "mesh-only", "no-local-gateway", "old-format-two-gateways", "selectors")
CASES += [
    (variant, "kingress/inputs", case)
    for variant in VARIANTS
    for case in golden_names(f"kingress/variants/istio/{variant}")
]
KINDS = {"virtualServices": "VirtualService", "gateways": "Gateway", "secrets": "Secret"}


def reference(variant: str, folder: str, case: str) -> Any:
    if variant:
        return golden_output(f"kingress/variants/istio/{variant}/{case}.json")
    return golden_output(f"{folder.replace('inputs', 'outputs')}/istio/{case}.json")


def bare(made: dict[str, Any]) -> dict[str, Any]:
    """What is compared: all but the kind, and what only an API server fills in."""
    return {k: v for k, v in made.items() if k not in ("apiVersion", "kind", "status")}


def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(o["metadata"]["namespace"], o["metadata"]["name"]): bare(o) for o in objects}


@needs_golden
@pytest.mark.parametrize(("variant", "folder", "case"), CASES, ids=lambda part: part.rsplit("/")[-1])
def test_objects_equal_upstreams(variant, folder, case):
    known = world(golden_input(case, "istio", folder), golden_env("istio", variant))
    settings, problems = backend.settings(known)
    assert not problems
    table = build(known, backend.ingress_class)
    rendered = backend.render(table, settings)
    expected = reference(variant, folder, case)
    for section, kind in KINDS.items():
        got = [o for o in rendered.objects if o["kind"] == kind]
        assert by_name(got) == by_name(expected[section]), section
    failed = {i["ingress"] for i in expected["ingresses"] if i.get("error")}
    assert {"/".join(key) for key in rendered.left_out} == failed
    for ingress in expected["ingresses"]:
        if "probeHash" in ingress:
            namespace, name = ingress["ingress"].split("/")
            assert table.ingresses[namespace, name].hash == ingress["probeHash"]
