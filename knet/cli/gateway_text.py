"""What `knet gateway` prints: plain data in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def status(told: Mapping[str, Any]) -> str:
    """The status of a run, as lines."""
    return "\n".join((*_gateways(told), *_ingresses(told), *_findings(told)))


def _gateways(told: Mapping[str, Any]) -> Iterator[str]:
    published = ", ".join(f"{n} {section}" for section, n in told["published"].items() if n)
    yield f"published: {published or 'nothing yet'}"
    if not told["gateways"]:
        yield "gateways: none is connected"
    for gateway in told["gateways"]:
        acked = ", ".join(f"{n} {section}" for section, n in gateway["acked"].items() if n)
        state = "current" if gateway["current"] else "behind"
        yield f"gateway {gateway['node']} (Envoy {gateway['envoy'] or '?'}): {state}; acknowledged {acked or 'nothing'}"
        for line in gateway["refused"]:
            yield f"  refused {line['section']} {line['name']}: {line['message']}"
        for line in gateway["waiting"]:
            yield f"  held back {line['section']} {line['name']}: waits for {', '.join(line['for'])}"
    if told["envoy"]["problem"]:
        yield f"Envoy: {told['envoy']['problem']}"


def _ingresses(told: Mapping[str, Any]) -> Iterator[str]:
    for line in told["ingresses"]:
        where = f" ({line['source']})" if line["source"] else ""
        yield readiness((line["namespace"], line["name"]), line["state"], line["reason"]) + where


def _findings(told: Mapping[str, Any]) -> Iterator[str]:
    for name in told["stale"]:
        yield f"{name} has errors: what it said before is served"
    yield from told["findings"]


def readiness(key: tuple[str, str], state: str, reason: str) -> str:
    """One KIngress and its state."""
    return f"{key[0]}/{key[1]}: {state}" + (f": {reason}" if reason else "")


def started(where: Mapping[str, Any]) -> str:
    """What listens where."""
    ports = ", ".join(f"{name} {where[name]}" for name in ("http", "https") if where[name])
    return f"knet: gateway on {ports or 'no port'}; xDS on {where['xds']}"
