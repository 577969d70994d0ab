"""What a Pod says, with Kubernetes' own defaults where a client or an API server left something out."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]

NETWORK = "knet.dev/network"
"""Annotation: `host` puts one pod beside the host's own processes, whatever the machine offers."""
PORTS = "knet.dev/ports"
"""Annotation: the real port of each container port, as JSON, for a pod without an address of its own."""


class Role(enum.Enum):
    """When a container runs: before the others, beside them from early on (KEP-753), or as one of them."""

    INIT = enum.auto()
    SIDECAR = enum.auto()
    MAIN = enum.auto()


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod's spec."""

    name: str
    role: Role
    spec: Object

    def probe(self, kind: str) -> Object | None:
        """`startup`, `readiness` or `liveness`, or None."""
        found: Object | None = self.spec.get(f"{kind}Probe")
        return found


def containers(pod: Object) -> tuple[Container, ...]:
    """All, in the order in which they may start."""
    spec = pod["spec"]
    first = [
        Container(c["name"], Role.SIDECAR if c.get("restartPolicy") == "Always" else Role.INIT, c)
        for c in spec.get("initContainers") or ()
    ]
    return (*first, *(Container(c["name"], Role.MAIN, c) for c in spec.get("containers") or ()))


def container(pod: Object, name: str) -> Container:
    """One by name. Raises KeyError."""
    for found in containers(pod):
        if found.name == name:
            return found
    raise KeyError(name)


def terminating(pod: Object) -> bool:
    """Whether somebody asked for its deletion."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def grace(pod: Object) -> float:
    """Seconds from SIGTERM to SIGKILL: what the deletion asked for, or the spec (default 30)."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds") if terminating(pod) else None
    spec = pod["spec"].get("terminationGracePeriodSeconds")
    return float(asked if asked is not None else 30 if spec is None else spec)


def restart_policy(pod: Object) -> str:
    """`Always`, `OnFailure` or `Never`."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def container_ports(pod: Object) -> Iterator[tuple[Container, Object]]:
    """Every declared port with its container."""
    for found in containers(pod):
        for port in found.spec.get("ports") or ():
            yield found, port


def port_number(of: Container, port: int | str) -> int:
    """A port given by number or by name, as probes and hooks do. Raises ValueError for an unknown name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for declared in of.spec.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    raise ValueError(f'container "{of.name}" has no port named "{port}"')


def stamp(moment: float) -> str:
    """Seconds since 1970 as the API writes them (metav1.Time)."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """The reverse of `stamp`; fractions are understood too."""
    return datetime.fromisoformat(text).timestamp()
