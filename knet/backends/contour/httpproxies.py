"""HTTPProxies of a KIngress, as net-contour makes them: one for each host and class.

facts/translation.md part 1, contour 1 to 9. Objects share their parts by reference (all hosts of a rule hold
the same list of routes), so nothing may change them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from knet.backends.contour.placement import Place, routes_of, visibility_of
from knet.backends.contour.services import CHALLENGE, Services, header_values
from knet.backends.contour.settings import Settings
from knet.model import kingress
from knet.model.kingress import EXTERNAL, HASH_HEADER
from knet.model.meta import controlled_by
from knet.model.names import child_name
from knet.routing.passes.tls import select
from knet.routing.table import Headers, IngressTable, Route, RouteMatch, Upstream, VirtualHost, Visibility
from knet.routing.world import Key

API_VERSION = "projectcontour.io/v1"
KIND = "HTTPProxy"
CLASS_KEY = "projectcontour.io/ingress.class"
PREFIX = "contour.networking.knative.dev"
GENERATION_LABEL = f"{PREFIX}/generation"
PARENT_LABEL = f"{PREFIX}/parent"
DOMAIN_LABEL = f"{PREFIX}/domainHash"
EXTENSION_SERVICE = f"{PREFIX}/extension-service"
EXTENSION_NAMESPACE = f"{PREFIX}/extension-service-namespace"

_RETRY = {
    "count": 2,
    "retryOn": [
        "cancelled",
        "connect-failure",
        "refused-stream",
        "resource-exhausted",
        "retriable-status-codes",
        "reset",
    ],
}


class ProxyMaker:
    """Makes the HTTPProxies of KIngresses under one set of settings."""

    def __init__(self, upstreams: Mapping[Key, Upstream], settings: Settings) -> None:
        self._settings = settings
        self._services = Services(upstreams, settings)
        self._timeouts = {"response": settings.response_timeout, "idle": settings.idle_timeout}

    def proxies(
        self, ingress: IngressTable, places: Mapping[Place, tuple[VirtualHost, ...]]
    ) -> list[dict[str, Any]]:
        """An object for each place, in order. Every Service the routes name has to be an upstream."""
        secrets = tls_secrets(ingress)
        authorization = _authorization(ingress.origin.annotations)
        routes = _Routes(ingress, self._services, self._timeouts)
        objects = _Objects(ingress)
        by_rule: dict[int, list[dict[str, Any]]] = {}
        outer = bool(secrets or self._settings.default_secret or self._settings.cors)
        made = []
        for (class_name, fqdn), rows in places.items():
            host: dict[str, Any] = {"fqdn": fqdn}
            if outer:
                self._outer(host, rows, secrets)
            if authorization:
                host["authorization"] = authorization
            row = rows[0]
            if len(rows) > 1:
                row_of = {r.rule: r for r in rows}
                found = [routes.make(row_of[route.rule], route) for route in routes_of(rows)]
            elif row.rule in by_rule:
                found = by_rule[row.rule]
            else:
                found = by_rule[row.rule] = [routes.make(row, route) for route in row.routes]
            made.append(objects.make(class_name, fqdn, {"virtualhost": host, "routes": found}))
        return made

    def _outer(self, host: dict[str, Any], rows: tuple[VirtualHost, ...], secrets: Mapping[str, str]) -> None:
        """TLS and CORS. The defaults go by the rule: only to hosts of ExternalIP ones."""
        settings = self._settings
        external = any(visibility_of(row) == EXTERNAL for row in rows)
        secret = secrets.get(host["fqdn"]) or (external and settings.default_secret)
        if secret:
            host["tls"] = {"secretName": secret}
        if external and settings.cors:
            host["corsPolicy"] = settings.cors


class _Routes:
    """The routes of one KIngress. Rules mostly repeat one another, so equal routes are made once.

    What the passes share (`knet.routing.passes.rows`) is known by identity, which lives as long as
    the KIngress's rows do.
    """

    def __init__(self, ingress: IngressTable, services: Services, timeouts: dict[str, str]) -> None:
        self._ingress = ingress
        self._services = services
        self._timeouts = timeouts
        self._enabled = ingress.http_option == "Enabled"
        self._made: dict[tuple[object, ...], dict[str, Any]] = {}
        self._of_splits: dict[tuple[object, ...], list[dict[str, Any]]] = {}

    def make(self, row: VirtualHost, route: Route) -> dict[str, Any]:
        insecure = self._enabled or row.visibility is Visibility.INTERNAL
        parts = id(route.match), id(route.splits), id(route.set_headers)
        key = (*parts, route.host_rewrite, route.probe, insecure)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._route(route, insecure=insecure)
        return made

    def _route(self, route: Route, *, insecure: bool) -> dict[str, Any]:
        challenge = CHALLENGE in route.match.path
        key = (id(route.splits), bool(route.host_rewrite), challenge)
        services = self._of_splits.get(key)
        if services is None:
            services = self._services.of(route, self._ingress.origin.namespace)
            self._of_splits[key] = services
        made: dict[str, Any] = {}
        if conditions := _conditions(route.match):
            made["conditions"] = conditions
        if services:
            made["services"] = services
        made["enableWebsockets"] = True
        if insecure:
            made["permitInsecure"] = True
        made["timeoutPolicy"] = self._timeouts
        made["retryPolicy"] = _RETRY
        made["requestHeadersPolicy"] = _headers_policy(route, self._ingress.raw_hash)
        return made


class _Objects:
    """The HTTPProxy objects of one KIngress: what they have in common is made once."""

    def __init__(self, ingress: IngressTable) -> None:
        self._origin = ingress.origin
        self._generation = str(ingress.origin.generation)
        self._owners = [owner_reference(ingress.origin.name, ingress.origin.uid)]
        self._annotations: dict[str, dict[str, str]] = {}

    def make(self, class_name: str, fqdn: str, spec: dict[str, Any]) -> dict[str, Any]:
        origin = self._origin
        annotations = self._annotations.get(class_name)
        if annotations is None:
            annotations = self._annotations[class_name] = {**origin.annotations, CLASS_KEY: class_name}
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": child_name(f"{origin.name}-{class_name}-", fqdn),
                "namespace": origin.namespace,
                "labels": {
                    GENERATION_LABEL: self._generation,
                    PARENT_LABEL: origin.name,
                    DOMAIN_LABEL: domain_hash(fqdn),
                    CLASS_KEY: class_name,
                },
                "annotations": annotations,
                "ownerReferences": self._owners,
            },
            "spec": spec,
        }


def tls_secrets(ingress: IngressTable) -> dict[str, str]:
    """Host → "namespace/name" of its Secret: later entries win, and internal rules over external ones."""
    if not ingress.tls:
        return {}
    declared = [row for row in ingress.rows if row.declared]
    found: dict[str, str] = {}
    for visibility in (Visibility.EXTERNAL, Visibility.INTERNAL):
        for _, entry in select(declared, ingress.tls, visibility):
            found |= dict.fromkeys(entry.hosts, "/".join(entry.secret))
    return found


def owner_reference(name: str, uid: str) -> dict[str, Any]:
    return controlled_by(kingress.API_VERSION, kingress.KIND, name, uid)


def domain_hash(fqdn: str) -> str:
    """The `domainHash` label: hex SHA-1 of the host."""
    return hashlib.sha1(fqdn.encode(), usedforsecurity=False).hexdigest()


def _authorization(annotations: Mapping[str, str]) -> dict[str, Any]:
    name = annotations.get(EXTENSION_SERVICE)
    if not name:
        return {}
    reference = {"name": name}
    if namespace := annotations.get(EXTENSION_NAMESPACE):
        reference["namespace"] = namespace
    return {"extensionRef": reference}


def _conditions(match: RouteMatch) -> list[dict[str, Any]]:
    """Prefix first, then headers by name, descending; a header without value has only its name."""
    made: list[dict[str, Any]] = [{"prefix": match.path}] if match.path else []
    for name, value in reversed(match.headers):
        made.append({"header": {"name": name, "exact": value} if value else {"name": name}})
    return made


def _headers_policy(route: Route, raw_hash: str) -> dict[str, Any]:
    headers = route.set_headers
    if route.probe:
        # net-contour hashes the spec as written, without defaults
        headers = tuple((n, raw_hash if n == HASH_HEADER else v) for n, v in headers)
    if route.host_rewrite:
        headers = _with_host(headers, route.host_rewrite)
    return {"set": header_values(headers)} if headers else {}


def _with_host(headers: Headers, host: str) -> Headers:
    """A rewritten host is a `Host` entry among the others; one the user wrote stays."""
    return tuple(sorted((*headers, ("Host", host)), key=lambda h: h[0]))
