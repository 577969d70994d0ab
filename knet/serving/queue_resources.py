"""What a queue-proxy may use: from the ConfigMap, a share of the user's container, or said outright."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from knet.model.config_deployment import Deployment
from knet.model.serving_annotations import QUEUE, RESOURCE_PERCENTAGE
from knet.text import go, quantity

_DEFAULTS = {
    ("requests", "cpu"): "25m",
    ("limits", "cpu"): "1",
    ("requests", "memory"): "400Mi",
    ("limits", "memory"): "800Mi",
}
"""What `queueproxy.resource-defaults` of config-features turns on."""

_BOUNDS = {
    ("requests", "cpu"): ("25m", "100m"),
    ("limits", "cpu"): ("40m", "500m"),
    ("requests", "memory"): ("50Mi", "200Mi"),
    ("limits", "memory"): ("200Mi", "500Mi"),
}
"""Between these a share of the user's container is kept."""

_KINDS = {"requests": "request", "limits": "limit"}
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_MAX_MILLI = 2**63 - 1

Found = dict[str, dict[str, str]]


def resources(
    config: Deployment, notes: Mapping[str, str], user: Mapping[str, Any], *, defaults: bool
) -> Found:
    """`resources` of the container. `user` are those of the container that serves; `notes` the revision's annotations."""
    made: Found = {"requests": {}, "limits": {}}
    for kind, word in _KINDS.items():
        for name in _RESOURCES:
            said = config.queue_resources.get(f"{name}-{word}", "")
            if not said and defaults:
                said = _DEFAULTS.get((kind, name), "")
            if said:
                made[kind][name] = said
    for (kind, name), value in _shares(notes, user).items():
        made[kind][name] = value
    for kind, word in _KINDS.items():
        for name in _RESOURCES:
            if value := _said(notes.get(f"{QUEUE}/{name}-resource-{word}", "")):
                made[kind][name] = value
    return {kind: values for kind, values in made.items() if values}


def _said(text: str) -> str:
    try:
        return quantity.canonical(text)
    except ValueError:  # the webhook refuses it: it is as if it were not there
        return ""


def _shares(notes: Mapping[str, str], user: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    text = next((notes[key] for key in RESOURCE_PERCENTAGE if key in notes), "")
    try:
        fraction = go.number(text) / 100
    except ValueError:
        return {}
    found = {}
    for (kind, name), (low, high) in _BOUNDS.items():
        try:
            have = quantity.parse(str((user.get(kind) or {}).get(name, "0")))
        except ValueError:
            continue
        if have:
            found[kind, name] = _share(have, fraction, low, high)
    return found


def _share(have: Decimal, fraction: float, low: str, high: str) -> str:
    """Whole thousandths, cut, as upstream's: from a float; written in powers of 1024 where that is exact."""
    milli = min(int(float(have * 1000) * fraction), _MAX_MILLI)
    value, rest = divmod(milli, 1000)
    if Decimal(milli) / 1000 < quantity.parse(low):
        return low
    if Decimal(milli) / 1000 > quantity.parse(high):
        return high
    if rest or value < 1024:
        return quantity.canonical(f"{milli}m")
    return str(value) if value % 1024 else quantity.canonical(f"{value // 1024}Ki")
