"""Has gateways load a Service's endpoints before traffic is sent there (`knet.backends.loading`).

istiod sends a new cluster and the route to it in one push, and Envoy takes the route before it has the endpoints:
requests fail in between. net-istio leaves it at that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from knet.backends.loading import Loaded, child_of, rules_of
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL, IngressSpec, KIngress
from knet.routing.table import IngressTable, Visibility

MARK = "knet.dev/loads-endpoints"
_DOMAIN = "knet.invalid"
_VISIBILITIES = {Visibility.EXTERNAL: EXTERNAL, Visibility.INTERNAL: CLUSTER_LOCAL}

To = tuple[str, int, str]
"""Where a VirtualService sends requests: Service, port, and the host as it is rewritten."""


def destinations(spec: Mapping[str, Any]) -> tuple[To, ...]:
    """Where a VirtualService's spec sends requests, each once."""
    return tuple(sorted(set(_destinations(spec))))


def _destinations(spec: Mapping[str, Any]) -> Iterator[To]:
    for route in spec.get("http") or ():
        rewritten = (route.get("rewrite") or {}).get("authority", "")
        for one in route.get("route") or ():
            to = one.get("destination") or {}
            yield to.get("host", "").partition(".")[0], (to.get("port") or {}).get("number", 0), rewritten


def loading(ingress: IngressTable, serving: Iterable[To]) -> KIngress | None:
    """The child that a KIngress needs while it is changed; None if every Service of it is served already.

    `serving` is where its VirtualServices in the API send requests: what it leaves stays loaded until it has moved.
    """
    before = {to[0]: to for to in serving}
    wanted: dict[str, Loaded] = {}
    for row in ingress.rows:
        for route in row.routes:
            for split in () if route.probe else route.splits:
                where = split.destination
                found = wanted.setdefault(where.service, Loaded(where.port, route.host_rewrite))
                found.visibilities.add(_VISIBILITIES[row.visibility])
    if not before or wanted.keys() <= before.keys():
        return None
    everywhere = {v for found in wanted.values() for v in found.visibilities}
    for name, port, rewritten in before.values():
        if name not in wanted and port:
            wanted[name] = Loaded(port, rewritten, visibilities=everywhere)
    return child_of(ingress, IngressSpec(rules=rules_of(ingress, wanted, _DOMAIN)), MARK)
