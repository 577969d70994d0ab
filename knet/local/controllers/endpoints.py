"""Services to Endpoints and EndpointSlices (kubernetes.io: Service, EndpointSlices)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from knet.local.controllers.objects import Object, labels, leaving, name, ready, spec, status
from knet.model.meta import controlled_by
from knet.text import json

SERVICE = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
OURS, MIRROR = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"
PORTS = "knet.dev/ports"
"""Annotation of a pod that shares its network: where each container port really listens (JSON)."""

Where = tuple[tuple[str, int, str], ...]
"""(port name, port, protocol) of one group of pods."""


def pods_of(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods that a Service with a selector chooses and that have an address, by name."""
    wanted = spec(service).get("selector") or {}
    chosen = [
        p
        for p in pods
        if wanted.items() <= labels(p).items()
        and status(p).get("podIP")
        and status(p).get("phase") not in ("Succeeded", "Failed")
    ]
    return sorted(chosen, key=name)


def endpoints(service: Object, pods: Sequence[Object]) -> Object:
    """The Endpoints of a Service from the pods it chooses (`pods_of`)."""
    subsets = []
    for where, members in _groups(service, pods).items():
        sides: dict[str, list[Object]] = {"addresses": [], "notReadyAddresses": []}
        for pod in members:
            if leaving(pod) and not _all(service):
                continue
            side = "addresses" if ready(pod) or _all(service) else "notReadyAddresses"
            sides[side].append(_address(pod))
        subset: Object = {side: found for side, found in sides.items() if found}
        if subset:
            subset["ports"] = [_port(p) for p in where]
            subsets.append(subset)
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": name(service),
            "namespace": service["metadata"]["namespace"],
            "labels": labels(service),
        },
        "subsets": subsets,
    }


def slices(service: Object, pods: Sequence[Object]) -> list[Object]:
    """The EndpointSlices of a Service, one for each group of pods that listen at the same ports."""
    made = []
    for i, (where, members) in enumerate(_groups(service, pods).items()):
        found = [
            {
                "addresses": [status(pod)["podIP"]],
                "conditions": _conditions(pod, everything=_all(service)),
                "targetRef": _reference(pod),
                **({"nodeName": spec(pod)["nodeName"]} if spec(pod).get("nodeName") else {}),
            }
            for pod in members
        ]
        made.append(_slice(service, OURS, i, found, [_port(p) for p in where]))
    return made or [_slice(service, OURS, 0, [], [])]


def mirrored(owner: Object) -> list[Object]:
    """The slices of Endpoints that somebody else writes for a Service without a selector."""
    made = []
    for i, subset in enumerate(owner.get("subsets") or ()):
        found = [
            {"addresses": [address["ip"]], "conditions": {"ready": is_ready}}
            for side, is_ready in (("addresses", True), ("notReadyAddresses", False))
            for address in subset.get(side) or ()
        ]
        made.append(_slice(owner, MIRROR, i, found, list(subset.get("ports") or ())))
    return made


def _slice(owner: Object, manager: str, index: int, found: list[Object], ports: list[Object]) -> Object:
    meta = owner["metadata"]
    reference = controlled_by("v1", owner["kind"], meta["name"], meta["uid"])
    addresses = [a for e in found for a in e["addresses"]]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-{'mirror' if manager == MIRROR else 'knet'}-{index}",
            "namespace": meta["namespace"],
            "labels": {**(meta.get("labels") or {}), SERVICE: meta["name"], MANAGED_BY: manager},
            "ownerReferences": [reference],
        },
        "addressType": "IPv6" if addresses and ":" in addresses[0] else "IPv4",
        "endpoints": found,
        "ports": ports,
    }


def _groups(service: Object, pods: Sequence[Object]) -> dict[Where, list[Object]]:
    found: dict[Where, list[Object]] = {}
    for pod in pods:
        where = tuple(
            (str(p.get("name", "")), number, str(p.get("protocol", "TCP")))
            for p in spec(service).get("ports") or ()
            if (number := _listens(p, pod)) is not None
        )
        if where or not spec(service).get("ports"):
            found.setdefault(where, []).append(pod)
    return dict(sorted(found.items()))


def _listens(port: Mapping[str, Any], pod: Object) -> int | None:
    """Where a pod listens for a port of its Service: the target by number, or by a container port's name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str) and not target.isdigit():
        ports = (p for c in spec(pod).get("containers") or () for p in c.get("ports") or ())
        target = next((p["containerPort"] for p in ports if p.get("name") == target), None)
        if target is None:
            return None
    mapped = _mapped(pod)
    return int(mapped.get(str(target), target))


def _mapped(pod: Object) -> dict[str, int]:
    text = (pod["metadata"].get("annotations") or {}).get(PORTS)
    try:
        made = json.loads(text) if text else {}
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _all(service: Object) -> bool:
    return bool(spec(service).get("publishNotReadyAddresses"))


def _conditions(pod: Object, *, everything: bool) -> Object:
    serving = ready(pod)
    return {
        "ready": everything or (serving and not leaving(pod)),
        "serving": serving,
        "terminating": leaving(pod),
    }


def _port(where: tuple[str, int, str]) -> Object:
    title, number, protocol = where
    return {**({"name": title} if title else {}), "port": number, "protocol": protocol}


def _address(pod: Object) -> Object:
    node = spec(pod).get("nodeName")
    made = {"ip": status(pod)["podIP"], "targetRef": _reference(pod)}
    return {**made, "nodeName": node} if node else made


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
