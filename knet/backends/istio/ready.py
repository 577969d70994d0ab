"""Readiness from the API server: Istio reports no status, so what is there as rendered is programmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.backends.api import Readiness, Rendered, State
from knet.errors import ObjectRef
from knet.routing.table import Key

_READY = Readiness(State.READY)


def ready(rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
    """Readiness of every KIngress that was rendered or left out.

    `observed`: "namespace/name" of a VirtualService → the object as read. A KIngress is ready when all its
    VirtualServices are there with the spec that was rendered, and one that needs none is ready at once
    (no gateway, and no cluster-local host for the mesh). Whether the gateways have them too is for a
    probe to say (`knet.backends.istio.targets`).
    """
    made: dict[Key, Readiness] = dict.fromkeys(rendered.uses, _READY)
    for wanted in rendered.objects:
        if wanted["kind"] != "VirtualService":
            continue
        meta = wanted["metadata"]
        key = rendered.parents[ObjectRef(wanted["kind"], meta["namespace"], meta["name"])]
        found = observed.get(f"{meta['namespace']}/{meta['name']}")
        if found is None:
            made[key] = Readiness(State.WAITING, f"VirtualService {meta['name']} does not exist yet")
        elif found.get("spec") != wanted["spec"]:
            made[key] = Readiness(State.WAITING, f"VirtualService {meta['name']} is not as rendered yet")
        else:
            made.setdefault(key, _READY)
    for key in sorted(rendered.left_out):
        why = next((d.message for d in rendered.diagnostics if _about(d.about, key)), "it cannot be rendered")
        made[key] = Readiness(State.FAILED, why)
    return made


def _about(about: ObjectRef | None, key: Key) -> bool:
    return about is not None and (about.namespace, about.name) == key
