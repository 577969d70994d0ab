"""VirtualServices, as net-istio makes them (facts/translation.md part 1, istio 1 to 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.model.kingress import API_VERSION, KIND
from knet.model.names import child_name
from knet.routing.passes.hosts import expand
from knet.routing.table import Headers, IngressTable, Origin, Route, Split, Visibility

INGRESS_LABEL = "networking.internal.knative.dev/ingress"
KEPT_LABELS = ("serving.knative.dev/route", "serving.knative.dev/routeNamespace")
LOCAL_SUFFIX = ".svc.cluster.local"
MESH = "mesh"

Gateways = Mapping[Visibility, list[str]]


def make_virtual_services(ingress: IngressTable, gateways: Gateways) -> list[dict[str, Any]]:
    """`NAME-mesh` (if a host is a cluster-local name) and `NAME-ingress` (if there is a gateway).

    `gateways` are qualified names by visibility, sorted.
    """
    written = {host for row in ingress.rows for host in row.hosts}
    forms = {host: expand(host) for host in written}
    local = {host for host in written if host.endswith(LOCAL_SUFFIX)}
    destinations = _Destinations()
    made = []
    if local:
        hosts = {e for h in local for e in forms[h]} if gateways[Visibility.INTERNAL] else local
        if hosts:
            mesh = {visibility: [MESH] for visibility in Visibility}
            made.append(_virtual_service(ingress, "-mesh", hosts, mesh, destinations))
    if any(gateways.values()):
        hosts = {e for found in forms.values() for e in found}
        made.append(_virtual_service(ingress, "-ingress", hosts, gateways, destinations))
    return made


def owner(origin: Origin) -> dict[str, Any]:
    """The owner reference of what a KIngress makes."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": origin.name,
        "uid": origin.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _virtual_service(
    ingress: IngressTable, suffix: str, hosts: set[str], gateways: Gateways, destinations: _Destinations
) -> dict[str, Any]:
    origin = ingress.origin
    labels = {key: origin.labels[key] for key in KEPT_LABELS if key in origin.labels}
    metadata: dict[str, Any] = {
        "name": child_name(origin.name, suffix),
        "namespace": origin.namespace,
        "labels": labels | {INGRESS_LABEL: origin.name},
    }
    if origin.annotations:
        metadata["annotations"] = dict(origin.annotations)
    metadata["ownerReferences"] = [owner(origin)]
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": metadata,
        "spec": _spec(ingress, hosts, gateways, destinations),
    }


def _spec(
    ingress: IngressTable, hosts: set[str], gateways: Gateways, destinations: _Destinations
) -> dict[str, Any]:
    used: set[str] = set()
    routes = []
    for row in ingress.rows:
        prefixes = authority_prefixes(hosts.intersection(row.hosts))
        names = gateways[row.visibility]
        if prefixes and row.routes:
            used.update(names)
            routes += [_http(route, prefixes, names, destinations) for route in row.routes]
    spec: dict[str, Any] = {}
    if used:
        spec["gateways"] = sorted(used)
    if hosts:
        spec["hosts"] = sorted(hosts)
    if routes:
        spec["http"] = routes
    return spec


def authority_prefixes(hosts: Iterable[str]) -> list[str]:
    """The authorities to match by prefix: without `.svc.cluster.local`, nor what another covers (istio 4)."""
    kept: list[str] = []
    for prefix in sorted({host.removesuffix(LOCAL_SUFFIX) for host in hosts}):
        if not prefix.startswith(tuple(kept)):
            kept.append(prefix)
    return kept


def _http(
    route: Route, prefixes: list[str], gateways: list[str], destinations: _Destinations
) -> dict[str, Any]:
    common: dict[str, Any] = {}
    if gateways:
        common["gateways"] = gateways
    if route.match.headers:
        common["headers"] = {name: {"exact": value} for name, value in route.match.headers}
    if route.match.path:
        common["uri"] = {"prefix": route.match.path}
    made: dict[str, Any] = {
        "match": [{"authority": {"prefix": prefix}, **common} for prefix in prefixes],
        "route": destinations.of(route.splits),
    }
    if route.host_rewrite:
        made["rewrite"] = {"authority": route.host_rewrite}
    made["retries"] = {}  # turns Istio's own two retries off
    if route.set_headers:
        made["headers"] = _set(route.set_headers)
    return made


def _set(headers: Headers) -> dict[str, Any]:
    return {"request": {"set": dict(headers)}}


class _Destinations:
    """Destinations of splits; routes of one KIngress mostly share theirs."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[tuple[Split, ...], list[dict[str, Any]]]] = {}

    def of(self, splits: tuple[Split, ...]) -> list[dict[str, Any]]:
        """The `route` list of a route with these splits. Shared: not to be changed."""
        known = self._made.get(id(splits))
        if known is None:
            known = self._made[id(splits)] = (splits, [_destination(split) for split in splits])
        return known[1]


def _destination(split: Split) -> dict[str, Any]:
    where = split.destination
    number = port_number(where.port)
    made: dict[str, Any] = {
        "destination": {
            "host": f"{where.service}.{where.namespace}{LOCAL_SUFFIX}",
            "port": {"number": number} if number else {},
        }
    }
    if split.weight:
        made["weight"] = split.weight
    if split.set_headers:
        made["headers"] = _set(split.set_headers)
    return made


def port_number(port: int | str) -> int:
    """A Service port's number; names give 0, as upstream never looks them up (Common 2nd reading, 7)."""
    if isinstance(port, int):
        return port
    return int(port) if port.isascii() and port.isdigit() else 0
