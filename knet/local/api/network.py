"""Addresses and node ports of Services."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

NODE_PORTS = range(30_000, 32_768)
_CLUSTER_NETWORK = "10.96"


def allocate(item: Object, old: Object | None, others: Mapping[Any, Object], chance: random.Random) -> None:
    """Gives a Service what its type needs: a cluster address, node ports; keeps what it has."""
    spec = item["spec"]
    before = (old or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP"):
        used = {(o.get("spec") or {}).get("clusterIP") for o in others.values()}
        spec["clusterIP"] = before.get("clusterIP") or _address(used, chance)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _node_ports(spec, before, others, chance)


def _address(used: set[Any], chance: random.Random) -> str:
    while True:
        made = f"{_CLUSTER_NETWORK}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if made not in used:
            return made


def _node_ports(spec: Object, before: Object, others: Mapping[Any, Object], chance: random.Random) -> None:
    held = {
        (p.get("port"), p.get("protocol")): p["nodePort"]
        for p in before.get("ports") or ()
        if p.get("nodePort")
    }
    used = {p.get("nodePort") for o in others.values() for p in (o.get("spec") or {}).get("ports") or ()}
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            kept = held.get((port.get("port"), port.get("protocol")))
            port["nodePort"] = kept or next(
                n for n in chance.sample(NODE_PORTS, len(NODE_PORTS)) if n not in used
            )
        used.add(port["nodePort"])
