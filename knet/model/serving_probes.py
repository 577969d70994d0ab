"""What Knative's webhook says of a container's probes (golden/validation).

What defaulting fills in may be missing: files are checked as people write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.model.serving_faults import BOTH, NEITHER, Fault, disallowed, either, invalid, out_of_bounds, under

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
"""In the order in which upstream looks at them."""
_MAX = 2**31 - 1

Plain = Mapping[str, Any]


def probes(container: Plain, port_name: str) -> Iterator[Fault]:
    """The probes of the container that serves. Ports may be numbers, or the name of the one that serves."""
    for name, probe in _given(container):
        found = _handlers(probe, port_name, defaulted=name == "readinessProbe")
        if name == "readinessProbe":
            found += _readiness(probe)
        yield from under(name, found)


def beside(container: Plain, *, allowed: bool) -> Iterator[Fault]:
    """Those of another container. Where they are not `allowed`, no field of theirs is."""
    for name, probe in _given(container):
        if allowed:
            found = _handlers(probe, None, defaulted=False)
            if name == "readinessProbe":
                found += _readiness(probe)
            yield from under(name, found)
            continue
        if any(probe.get(kind) is not None for kind in _HANDLERS):
            yield disallowed(name)  # upstream does not say by what it would be asked
        yield from (disallowed(f"{name}.{key}") for key in probe if key not in _HANDLERS and probe[key])


def _given(container: Plain) -> Iterator[tuple[str, Plain]]:
    for name in PROBES:
        probe = container.get(name)
        if isinstance(probe, dict):
            yield name, probe


def _handlers(probe: Plain, port_name: str | None, *, defaulted: bool) -> list[Fault]:
    """`port_name` None: any port must be a number, as none serves."""
    found: list[Fault] = []
    given = [name for name in _HANDLERS if probe.get(name) is not None]
    for name in given:
        # upstream tells what it has found so far as if it were of this handler
        found = under(name, found)
        if name in ("httpGet", "tcpSocket"):
            handler = probe[name] if isinstance(probe[name], dict) else {}
            found += _port(handler.get("port") or 0, f"{name}.port", port_name)
    if not given and not defaulted:
        found += either(NEITHER, *_HANDLERS)
    elif len(given) > 1:
        found += either(BOTH, *("gRPC" if name == "grpc" else name for name in given))
    return found


def _port(port: object, at: str, port_name: str | None) -> Iterator[Fault]:
    if port_name is None:
        if not port:
            yield invalid(port, at, "Probe port must be specified")
    elif isinstance(port, str) and port != port_name:
        yield invalid(port, at, "Probe port must match container port")


def _readiness(probe: Plain) -> Iterator[Fault]:
    """Without a period, the probe is Knative's own: it is asked again and again, quickly."""
    lows = {"periodSeconds": 0, "initialDelaySeconds": 0, "successThreshold": 1}
    period = probe.get("periodSeconds", 0)
    if period:
        lows |= {"timeoutSeconds": 1, "failureThreshold": 1}
    for name, low in lows.items():
        number = probe.get(name, low)
        if isinstance(number, int) and number < low:
            yield out_of_bounds(number, low, _MAX, name)
    if not period:
        for name in ("failureThreshold", "timeoutSeconds"):
            if probe.get(name):
                yield Fault(f"{name} is disallowed when periodSeconds is zero", name)
