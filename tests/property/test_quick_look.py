"""The quick look at an object agrees with those that say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.local.api import quick, shapes
from knet.local.api.builtin import BUILT_IN
from knet.local.api.crd_schema import prune
from knet.local.api.decoding import mistyped
from knet.local.api.kinds import Kind
from knet.text import json

KINDS = {kind.kind: kind for kind in BUILT_IN}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "terminationGracePeriodSeconds": 30,
        "hostNetwork": False,
        "containers": [
            {
                "name": "c",
                "resources": {"limits": {"cpu": "100m", "memory": 5}},
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"port": "http", "httpHeaders": [{"name": "a", "value": "b"}]}},
                "env": [
                    {"name": "A", "value": "B"},
                    {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
                ],
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
    "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": None}]},
}
VALUES = st.sampled_from(
    [None, True, 1, -(2**40), 1.5, "", "x", "1Gi", "2026-01-01T00:00:00Z", [], ["x"], {}, {"x": "y"}, [{}]]
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


def says_nothing(kind: Kind, item: Any, old: Any = None) -> bool:
    known = json.copied(item)
    return not mistyped(kind, known, old) and not prune(known, shapes.of(kind), old)


@given(st.sampled_from([p for p in places(POD) if p]), st.one_of(VALUES, st.just(...)), st.booleans())
def test_a_pod_with_something_else_at_one_place(place: Any, value: Any, knows: bool) -> None:
    kind, item = KINDS["Pod"], json.copied(POD)
    *way, last = place
    holder = item
    for step in way:
        holder = holder[step]
    if value is ...:  # a field that nobody knows
        if not isinstance(holder, dict):
            return
        holder["unheardOf"] = 1
    else:
        holder[last] = value
    if not isinstance(item.get("metadata"), dict):
        return  # looked at before
    old = POD if knows else None
    assert says_nothing(kind, item, old) == says_nothing(kind, item), "what is as it was is right"
    if quick.clean(kind, item, old):
        assert says_nothing(kind, item)
    elif says_nothing(kind, item):
        assert value in (1.5, 1, True), "a number may be written in several ways"


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "ReplicaSet", "Service", "Endpoints", "Event"])
def test_a_whole_kind(kind: str) -> None:
    wanted: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": POD["metadata"]}
    if kind in ("Deployment", "ReplicaSet"):
        spec = {"replicas": 1, "template": {"metadata": POD["metadata"], "spec": POD["spec"]}}
        wanted |= {"apiVersion": "apps/v1", "spec": spec}
    assert quick.clean(KINDS[kind], POD if kind == "Pod" else wanted)
    assert not quick.clean(KINDS[kind], {**wanted, "metadata": {"name": 1}})
    assert not quick.clean(KINDS[kind], {**wanted, "unheardOf": 1})
