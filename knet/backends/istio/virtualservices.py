"""VirtualServices, as net-istio makes them (facts/translation.md part 1, istio 1 to 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from knet.model.digits import whole
from knet.model.kingress import API_VERSION, KIND
from knet.model.meta import controlled_by
from knet.model.names import child_name
from knet.routing.passes.hosts import expand
from knet.routing.table import (
    Headers,
    IngressTable,
    Origin,
    Route,
    RouteMatch,
    Split,
    VirtualHost,
    Visibility,
)

INGRESS_LABEL = "networking.internal.knative.dev/ingress"
KEPT_LABELS = ("serving.knative.dev/route", "serving.knative.dev/routeNamespace")
LOCAL_SUFFIX = ".svc.cluster.local"
MESH = "mesh"

NO_RETRIES: dict[str, Any] = {}
"""Turns Istio's own two retries off."""

Gateways = Mapping[Visibility, list[str]]
MESH_ONLY: Gateways = {visibility: [MESH] for visibility in Visibility}


def make_virtual_services(ingress: IngressTable, gateways: Gateways) -> list[dict[str, Any]]:
    """`NAME-mesh` (if a host is a cluster-local name) and `NAME-ingress` (if there is a gateway for one of its rules).

    `gateways` are qualified names by visibility, sorted. Equal parts are made once and shared: what comes
    back is not to be changed.
    """
    forms = {host: expand(host) for row in ingress.rows for host in row.hosts}
    local = {host for host in forms if host.endswith(LOCAL_SUFFIX)}
    maker = _Maker(ingress)
    made = []
    if local:
        hosts = {form for host in local for form in forms[host]} if gateways[Visibility.INTERNAL] else local
        if hosts:
            made.append(maker.virtual_service("-mesh", hosts, MESH_ONLY))
    if any(gateways[row.visibility] for row in ingress.rows):
        hosts = {form for found in forms.values() for form in found}
        made.append(maker.virtual_service("-ingress", hosts, gateways))
    return made


def owner(origin: Origin) -> dict[str, Any]:
    """The owner reference of what a KIngress makes."""
    return controlled_by(API_VERSION, KIND, origin.name, origin.uid)


def authority_prefixes(hosts: Collection[str]) -> list[str]:
    """The authorities to match by prefix: without `.svc.cluster.local`, nor what another covers (istio 4)."""
    if len(hosts) == 1:
        return [host.removesuffix(LOCAL_SUFFIX) for host in hosts]
    kept: list[str] = []
    for prefix in sorted({host.removesuffix(LOCAL_SUFFIX) for host in hosts}):
        if not prefix.startswith(tuple(kept)):
            kept.append(prefix)
    return kept


class _Maker:
    """Makes the VirtualServices of one KIngress, whose rules and routes have most of their parts in common."""

    __slots__ = (
        "_annotations",
        "_authorities",
        "_destinations",
        "_edits",
        "_ingress",
        "_labels",
        "_matches",
        "_owners",
    )

    def __init__(self, ingress: IngressTable) -> None:
        origin = ingress.origin
        self._ingress = ingress
        kept = {key: origin.labels[key] for key in KEPT_LABELS if key in origin.labels}
        self._labels = {**kept, INGRESS_LABEL: origin.name}
        self._annotations = dict(origin.annotations)
        self._owners = [owner(origin)]
        self._authorities: dict[tuple[str, ...], list[dict[str, str]]] = {}
        self._matches: dict[int, dict[str, Any]] = {}
        self._edits: dict[Headers, dict[str, Any]] = {}
        self._destinations: dict[int, list[dict[str, Any]]] = {}

    def virtual_service(self, suffix: str, hosts: set[str], gateways: Gateways) -> dict[str, Any]:
        """One VirtualService for `hosts`, those in no form that a rule has included."""
        origin = self._ingress.origin
        metadata: dict[str, Any] = {
            "name": child_name(origin.name, suffix),
            "namespace": origin.namespace,
            "labels": self._labels,
        }
        if self._annotations:
            metadata["annotations"] = self._annotations
        metadata["ownerReferences"] = self._owners
        return {
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": self._spec(hosts, gateways),
        }

    def _spec(self, hosts: set[str], gateways: Gateways) -> dict[str, Any]:
        used: set[str] = set()
        http: list[dict[str, Any]] = []
        for row in self._ingress.rows:
            authorities = self._authorities_of(row, hosts)
            if authorities and row.routes:
                names = gateways[row.visibility]
                used.update(names)
                http += [self._http(route, authorities, names) for route in row.routes]
        spec: dict[str, Any] = {}
        if used:
            spec["gateways"] = sorted(used)
        if hosts:
            spec["hosts"] = sorted(hosts)
        if http:
            spec["http"] = http
        return spec

    def _authorities_of(self, row: VirtualHost, hosts: set[str]) -> list[dict[str, str]]:
        """The authority matches of a rule in a VirtualService for `hosts`."""
        shown = tuple([host for host in row.hosts if host in hosts])
        found = self._authorities.get(shown)
        if found is None:
            found = self._authorities[shown] = [{"prefix": p} for p in authority_prefixes(shown)]
        return found

    def _http(self, route: Route, authorities: list[dict[str, str]], gateways: list[str]) -> dict[str, Any]:
        rest = self._match(route.match)
        if gateways:
            match = [{"authority": authority, "gateways": gateways, **rest} for authority in authorities]
        else:
            match = [{"authority": authority, **rest} for authority in authorities]
        made: dict[str, Any] = {"match": match}
        if route.splits:
            made["route"] = self._destinations_of(route.splits)
        if route.host_rewrite:
            made["rewrite"] = {"authority": route.host_rewrite}
        made["retries"] = NO_RETRIES
        if route.set_headers:
            made["headers"] = self._set(route.set_headers)
        return made

    def _match(self, match: RouteMatch) -> dict[str, Any]:
        """What a match asks for besides authority and gateways."""
        if not match.headers and not match.path:
            return {}
        found = self._matches.get(id(match))
        if found is None:
            found = self._matches[id(match)] = {}
            if match.headers:
                found["headers"] = {name: {"exact": value} for name, value in match.headers}
            if match.path:
                found["uri"] = {"prefix": match.path}
        return found

    def _set(self, headers: Headers) -> dict[str, Any]:
        found = self._edits.get(headers)
        if found is None:
            found = self._edits[headers] = {"request": {"set": dict(headers)}}
        return found

    def _destinations_of(self, splits: tuple[Split, ...]) -> list[dict[str, Any]]:
        """The `route` list of a route; routes with equal splits share them (`passes.rows`)."""
        found = self._destinations.get(id(splits))
        if found is None:
            found = self._destinations[id(splits)] = [self._destination(split) for split in splits]
        return found

    def _destination(self, split: Split) -> dict[str, Any]:
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
            made["headers"] = self._set(split.set_headers)
        return made


def port_number(port: int | str) -> int:
    """A Service port's number; names give 0, as upstream never looks them up (Common 2nd reading, 7)."""
    if isinstance(port, int):
        return port
    return whole(port) or 0
