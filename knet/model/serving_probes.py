"""What Knative's webhook says of a container's probes (golden/validation).

What defaulting fills in may be missing: files are checked as people write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.model.serving_faults import BOTH, NEITHER, Fault, disallowed, either, invalid, out_of_bounds

_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_MAX = 2**31 - 1
_DEFAULT_PORT = 8080


def probes(container: Mapping[str, Any], at: str, *, serving: bool, sidecar_probes: bool) -> Iterator[Fault]:
    """The probes of a container. `serving`: it is the one that has the port; `sidecar_probes`: others may be probed."""
    for name in ("livenessProbe", "startupProbe", "readinessProbe"):
        probe = container.get(name)
        if not isinstance(probe, dict):
            continue
        where = f"{at}.{name}"
        if not serving and not sidecar_probes:
            yield from (disallowed(f"{where}.{key}") for key in probe)
            continue
        yield from _handlers(probe, where, defaulted=name == "readinessProbe")
        if name == "readinessProbe":
            yield from _readiness(probe, where)
        elif serving:
            yield from _port(probe, where, container)


def _handlers(probe: Mapping[str, Any], at: str, *, defaulted: bool) -> Iterator[Fault]:
    given = [name for name in _HANDLERS if probe.get(name) is not None]
    if not given and not defaulted:
        yield from either(NEITHER, *(f"{at}.{name}" for name in _HANDLERS))
    elif len(given) > 1:
        yield from either(BOTH, *(f"{at}.{name}" for name in given))


def _port(probe: Mapping[str, Any], at: str, container: Mapping[str, Any]) -> Iterator[Fault]:
    """A liveness or startup probe goes to the port that serves; 0 stands for it."""
    ports = container.get("ports")
    port = ports[0] if isinstance(ports, list) and ports and isinstance(ports[0], dict) else {}
    known = (0, "", port.get("containerPort") or _DEFAULT_PORT, port.get("name", ""))
    for name in ("httpGet", "tcpSocket"):
        handler = probe.get(name)
        if isinstance(handler, dict) and handler.get("port", 0) not in known:
            yield invalid(handler["port"], f"{at}.{name}.port", "Probe port must match container port")


def _readiness(probe: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """Without a period, the probe is Knative's own: it is asked again and again, quickly."""
    lows = {"periodSeconds": 0, "initialDelaySeconds": 0, "successThreshold": 1}
    period = probe.get("periodSeconds", 0)
    if period:
        lows |= {"timeoutSeconds": 1, "failureThreshold": 1}
    for name, low in lows.items():
        number = probe.get(name, low)
        if isinstance(number, int) and number < low:
            yield out_of_bounds(number, low, _MAX, f"{at}.{name}")
    if not period:
        for name in ("failureThreshold", "timeoutSeconds"):
            if probe.get(name):
                yield Fault(f"{name} is disallowed when periodSeconds is zero", f"{at}.{name}")
