"""Readiness from what Contour wrote into the status of the HTTPProxies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.backends.api import Readiness, Rendered, State
from knet.backends.contour.httpproxies import GENERATION_LABEL
from knet.errors import ObjectRef
from knet.routing.table import Key

_READY = Readiness(State.READY)
_WEIGHTS = {State.READY: 0, State.WAITING: 1, State.FAILED: 2}


def ready(rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
    """Readiness of every KIngress that was rendered or left out.

    `observed`: "namespace/name" of an HTTPProxy → the object as read, with `status`. A KIngress is ready
    when all its HTTPProxies are valid, and failed when one is invalid: the reason is Contour's own.
    """
    made: dict[Key, Readiness] = {}
    for proxy in rendered.objects:
        meta = proxy["metadata"]
        key = rendered.parents[ObjectRef(proxy["kind"], meta["namespace"], meta["name"])]
        found = _one(proxy, observed.get(f"{meta['namespace']}/{meta['name']}"))
        if key not in made or _WEIGHTS[found.state] > _WEIGHTS[made[key].state]:
            made[key] = found
    for key in sorted(rendered.left_out):
        reasons = (d.message for d in rendered.diagnostics if d.about and _is(d.about, key))
        made[key] = Readiness(State.FAILED, next(reasons, "it serves no host"))
    return made


def _one(proxy: Mapping[str, Any], seen: Mapping[str, Any] | None) -> Readiness:
    meta = proxy["metadata"]
    fqdn, name = proxy["spec"]["virtualhost"]["fqdn"], meta["name"]
    if seen is None:
        return Readiness(State.WAITING, f"HTTPProxy {name} does not exist yet")
    there = seen.get("metadata", {})
    if there.get("labels", {}).get(GENERATION_LABEL) != meta["labels"][GENERATION_LABEL]:
        return Readiness(State.WAITING, f"HTTPProxy {name} is of another generation")
    if _outdated(seen):
        return Readiness(State.WAITING, f"Contour has not seen the last change of HTTPProxy {name}")
    status = seen.get("status", {})
    current = status.get("currentStatus", "")
    if current == "valid":
        return _READY
    if current == "invalid":
        return Readiness(State.FAILED, f"{fqdn}: {status.get('description', 'Contour says invalid')}")
    return Readiness(State.WAITING, f"Contour has not judged HTTPProxy {name}")


def is_valid(seen: Mapping[str, Any]) -> bool:
    """Whether Contour has found an HTTPProxy valid as it is now."""
    return seen.get("status", {}).get("currentStatus") == "valid" and not _outdated(seen)


def _outdated(seen: Mapping[str, Any]) -> bool:
    generation = seen.get("metadata", {}).get("generation", 0)
    conditions = seen.get("status", {}).get("conditions", ())
    return any(c.get("observedGeneration", 0) < generation for c in conditions)


def _is(about: ObjectRef, key: Key) -> bool:
    return (about.namespace, about.name) == key
