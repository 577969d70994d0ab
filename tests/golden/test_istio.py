"""Istio's objects equal net-istio's on every reference case: names, labels, annotations, owners, specs."""

from __future__ import annotations

from typing import Any

import pytest

from istio_reference import CASES, load
from knet.backends.istio import backend
from support import needs_golden

KINDS = {"virtualServices": "VirtualService", "gateways": "Gateway", "secrets": "Secret"}


def bare(made: dict[str, Any]) -> dict[str, Any]:
    """What is compared: all but the kind, and what only an API server fills in."""
    return {k: v for k, v in made.items() if k not in ("apiVersion", "kind", "status")}


def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(o["metadata"]["namespace"], o["metadata"]["name"]): bare(o) for o in objects}


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_objects_equal_upstreams(case: str, variant: str) -> None:
    found = load(case, variant)
    rendered = backend.render(found.table, found.settings)
    for section, kind in KINDS.items():
        made = [o for o in rendered.objects if o["kind"] == kind]
        assert len(by_name(made)) == len(made)
        assert by_name(made) == by_name(found.output.get(section) or []), section
    assert rendered.left_out == {key for key, answer in found.answers.items() if answer.get("error")}
    for key, answer in found.answers.items():
        if answer.get("error"):
            said = [d.message for d in rendered.diagnostics if d.about and d.about.name == key[1]]
            assert any(answer["error"] in message for message in said), said
