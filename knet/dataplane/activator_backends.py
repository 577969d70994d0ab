"""What endpoints say of a revision: where its pods are, in which protocol, and which activators carry it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from knet.dataplane.activator_config import H1, H2C
from knet.dataplane.activator_gate import Key, Rules
from knet.text import json

Object = dict[str, Any]
TYPE = "networking.internal.knative.dev/serviceType"
_REVISION = "serving.knative.dev/revision"
PODS = _REVISION
"""The label that chooses the pods of revisions."""
_PORT, _H2C_PORT = "queue-port", 8013
_REAL_PORTS = "knet.dev/ports"
_OWNER = "networking.internal.knative.dev/serverlessservice"
_PROTOCOLS = {"http": H1, "http2": H2C}
_DEFAULT_TIMEOUT = 300
_CLOCKS = ("responseStartTimeoutSeconds", "idleTimeoutSeconds")


@dataclass(frozen=True, slots=True)
class Backends:
    """Addresses (HOST:PORT) of the pods: ready ones, and those that are not said to be, by their protocol."""

    ready: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    protocol: str = H1


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a pod of a revision takes requests, whether or not it does by now; `address` is HOST:PORT, "" for none."""

    revision: Key
    address: str
    protocol: str


def seat(pod: Object) -> Seat:
    """What a pod says of itself: its address is known as soon as it has one, before endpoints tell of it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    revision = meta["namespace"], (meta.get("labels") or {}).get(_REVISION) or ""
    ip = status.get("podIP") or ""
    if not ip or meta.get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return Seat(revision, "", H1)
    containers = (pod.get("spec") or {}).get("containers") or ()
    ports = (p for c in containers for p in c.get("ports") or () if p.get("name") == _PORT)
    number = next((int(p["containerPort"]) for p in ports), 0)
    if not number:
        return Seat(revision, "", H1)
    real = _real_ports(meta).get(str(number), number)
    return Seat(revision, _joined(ip, real), H2C if number == _H2C_PORT else H1)


def _real_ports(meta: Object) -> Object:
    """Pods that share their node's network listen elsewhere than they say (`knet.dev/ports`)."""
    text = (meta.get("annotations") or {}).get(_REAL_PORTS)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def with_seats(found: Backends, seats: Iterable[Seat]) -> Backends:
    """Those that endpoints tell of, and pods that they do not tell of yet."""
    known = {*found.ready, *found.other}
    more = [seat for seat in seats if seat.address and seat.address not in known]
    if not more:
        return found
    other = tuple(sorted({*found.other, *(seat.address for seat in more)}))
    return Backends(found.ready, other, found.protocol if known else more[0].protocol)


def revision_of(endpoints: Object) -> Key:
    """The revision that endpoints belong to; its name is "" if they belong to none."""
    meta = endpoints["metadata"]
    labels = meta.get("labels") or {}
    return meta["namespace"], labels.get(_REVISION) or labels.get(_OWNER) or ""


def is_private(endpoints: Object) -> bool:
    """Whether they are those of pods, not those that gateways follow."""
    return bool((endpoints["metadata"].get("labels") or {}).get(TYPE) == "Private")


def backends(endpoints: Object | None, *, secure: bool = False) -> Backends:
    """The pods of the private Service. Ports are found by their names, whatever their numbers; `secure`: where they
    speak TLS.
    """
    if endpoints is None:
        return Backends()
    found = list(_addresses(endpoints, secure=secure))
    ready = tuple(sorted({a for a, _, is_ready in found if is_ready}))
    other = tuple(sorted({a for a, _, is_ready in found if not is_ready} - set(ready)))
    return Backends(ready, other, next((protocol for _, protocol, _ in found), H1))


def activators(endpoints: Object | None) -> tuple[str, ...]:
    """The addresses behind the public Service, in order. Whether they are activators shows from which they are."""
    return tuple(sorted({a for a, _, _ in _addresses(endpoints)})) if endpoints else ()


def rules(revision: Object) -> Rules:
    """What a revision asks for. A request that waits has no answer yet: the shortest of its clocks counts."""
    spec = revision.get("spec") or {}
    clocks = [spec.get("timeoutSeconds") or _DEFAULT_TIMEOUT, *(spec.get(name) for name in _CLOCKS)]
    return Rules(int(spec.get("containerConcurrency") or 0), float(min(filter(None, clocks))))


def _addresses(endpoints: Object, *, secure: bool = False) -> Iterator[tuple[str, str, bool]]:
    for subset in endpoints.get("subsets") or ():
        ports = {p.get("name", ""): p["port"] for p in subset.get("ports") or ()}
        chosen = next((name for name in ports if name in _PROTOCOLS), None)
        if chosen is None or (secure and "https" not in ports):
            continue
        port, protocol = ports["https" if secure else chosen], _PROTOCOLS[chosen]
        for side, is_ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(side) or ():
                yield _joined(address["ip"], port), protocol, is_ready


def _joined(ip: str, port: Any) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
