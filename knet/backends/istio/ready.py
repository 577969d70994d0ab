"""Readiness from the API server: Istio reports no status, so what is there as rendered is programmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.backends.api import Readiness, Rendered, State
from knet.errors import ObjectRef
from knet.routing.table import Key


def ready(rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
    """Readiness of every KIngress. `observed`: "Kind namespace/name" → the object as it is there.

    The probe through the gateway (facts/knative.md B.2) has the last word; it is the controller's.
    """
    made: dict[Key, Readiness] = {}
    for key in rendered.left_out:
        why = next((d.message for d in rendered.diagnostics if _about(d.about, key)), "it cannot be rendered")
        made[key] = Readiness(State.FAILED, why)
    for wanted in rendered.objects:
        meta = wanted["metadata"]
        ref = ObjectRef(wanted["kind"], meta["namespace"], meta["name"])
        key = rendered.parents[ref]
        found = observed.get(str(ref))
        if found is None:
            made[key] = Readiness(State.WAITING, f"{ref} does not exist yet")
        elif any(found.get(part) != wanted[part] for part in ("spec", "data") if part in wanted):
            made[key] = Readiness(State.WAITING, f"{ref} is not as rendered yet")
        else:
            made.setdefault(key, Readiness(State.READY))
    return made


def _about(about: ObjectRef | None, key: Key) -> bool:
    return about is not None and (about.namespace, about.name) == key
