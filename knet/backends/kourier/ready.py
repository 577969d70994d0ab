"""Readiness from acknowledgements: exact versions, on every connected gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from knet.backends.api import Readiness, Rendered, State
from knet.envoy.snapshot import version
from knet.routing.table import Key

_READY = Readiness(State.READY)
_version = lru_cache(maxsize=200_000)(version)


def ready(rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
    """Readiness of every KIngress that was rendered or left out.

    `observed`: gateway id → {"acked": {section: {name: version}}, "nacked": {section: {name: reason}}}.
    """
    made = {key: _one(rendered, uses, observed) for key, uses in rendered.uses.items()}
    for key in sorted(rendered.left_out):
        why = next(
            (d.message for d in rendered.diagnostics if d.about and _is(d.about, key)), "it serves no host"
        )
        made[key] = Readiness(State.FAILED, why)
    return made


def _one(rendered: Rendered, uses: Mapping[str, tuple[str, ...]], observed: Mapping[str, Any]) -> Readiness:
    if not observed:
        return Readiness(State.WAITING, "no gateway is connected")
    for gateway, seen in sorted(observed.items()):
        for section, name in _names(uses):
            refused = seen.get("nacked", {}).get(section, {})
            if name in refused:
                return Readiness(State.FAILED, f"gateway {gateway} refused {section} {name}: {refused[name]}")
            wanted = _version(rendered.resources[section][name])
            if seen.get("acked", {}).get(section, {}).get(name) != wanted:
                return Readiness(State.WAITING, f"gateway {gateway} has not acknowledged {section} {name}")
    return _READY


def _names(uses: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for section, names in uses.items():
        for name in names:
            yield section, name


def _is(about: Any, key: Key) -> bool:
    return (about.namespace, about.name) == key
