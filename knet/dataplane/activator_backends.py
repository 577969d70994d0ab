"""What endpoints say of a revision: where its pods are, in which protocol, and which activators carry it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from knet.dataplane.activator_config import H1, H2C
from knet.dataplane.activator_gate import Key, Rules

Object = dict[str, Any]
TYPE = "networking.internal.knative.dev/serviceType"
_REVISION = "serving.knative.dev/revision"
_OWNER = "networking.internal.knative.dev/serverlessservice"
_PROTOCOLS = {"http": H1, "http2": H2C}
_DEFAULT_TIMEOUT = 300


@dataclass(frozen=True, slots=True)
class Backends:
    """Addresses (HOST:PORT) of the pods: ready ones, and those that are not said to be, by their protocol."""

    ready: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    protocol: str = H1


def revision_of(endpoints: Object) -> Key:
    """The revision that endpoints belong to; its name is "" if they belong to none."""
    meta = endpoints["metadata"]
    labels = meta.get("labels") or {}
    return meta["namespace"], labels.get(_REVISION) or labels.get(_OWNER) or ""


def is_private(endpoints: Object) -> bool:
    """Whether they are those of pods, not those that gateways follow."""
    return bool((endpoints["metadata"].get("labels") or {}).get(TYPE) == "Private")


def backends(endpoints: Object | None) -> Backends:
    """The pods of the private Service. Ports are found by their names, whatever their numbers."""
    if endpoints is None:
        return Backends()
    found = list(_addresses(endpoints))
    ready = tuple(sorted({a for a, _, is_ready in found if is_ready}))
    other = tuple(sorted({a for a, _, is_ready in found if not is_ready} - set(ready)))
    return Backends(ready, other, next((protocol for _, protocol, _ in found), H1))


def activators(endpoints: Object | None) -> tuple[str, ...]:
    """The addresses behind the public Service, in order. Whether they are activators shows from which they are."""
    return tuple(sorted({a for a, _, _ in _addresses(endpoints)})) if endpoints else ()


def rules(revision: Object) -> Rules:
    """What a revision asks for."""
    spec = revision.get("spec") or {}
    patience = spec.get("timeoutSeconds") or _DEFAULT_TIMEOUT
    return Rules(int(spec.get("containerConcurrency") or 0), float(patience))


def _addresses(endpoints: Object) -> Iterator[tuple[str, str, bool]]:
    for subset in endpoints.get("subsets") or ():
        ports = ((p.get("name", ""), p["port"]) for p in subset.get("ports") or ())
        chosen = next(((port, _PROTOCOLS[name]) for name, port in ports if name in _PROTOCOLS), None)
        if chosen is None:
            continue
        port, protocol = chosen
        for side, is_ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(side) or ():
                ip = address["ip"]
                yield (f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"), protocol, is_ready
