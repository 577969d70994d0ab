"""Timeouts along the path of a request: a gateway that gives up before the revision does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.routing.world import World

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")

LIMITS = (
    ("contour", "config-contour", "timeout-policy-response", "cuts every request off"),
    ("contour", "config-contour", "timeout-policy-idle", "cuts a request off that is silent"),
    ("kourier", "config-kourier", "stream-idle-timeout", "cuts a request off that is silent"),
)
"""(gateway, ConfigMap, key, what it does) of the gateways' own limits (facts/knative.md, config-*)."""


class Patience(NamedTuple):
    """How long a revision may take: `seconds`, as `field` of `about` says."""

    about: ObjectRef
    field: str
    seconds: float


def check_timeouts(patience: Iterable[Patience], world: World) -> Iterator[Diagnostic]:
    """Revisions whose `timeoutSeconds` a gateway's limit undercuts (KNET404)."""
    limits = [
        (gateway, config, key, does, seconds)
        for gateway, config, key, does in LIMITS
        if (seconds := duration(world.config(config).get(key, "")))
    ]
    for about, field, patient in patience:
        for gateway, config, key, does, seconds in limits:
            if seconds < patient:
                yield checks.TIMEOUTS(
                    f"the revision may take {patient:g} s, and {key} of {config} {does} after {seconds:g} s",
                    about=about,
                    field=field,
                    hint=f"set {key} to {patient:g}s or more, or timeoutSeconds to {seconds:g} or less",
                    gateway=gateway,
                )


def duration(text: str) -> float:
    """Seconds of a Go duration (`1m30s`); 0 for none: empty, 0, `infinity`, or what is no duration."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.removeprefix("+"):
        return 0.0
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))
