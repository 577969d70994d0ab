"""Rows to virtual hosts: routes in order, redirects, host rewrites, and authorisation."""

from __future__ import annotations

from collections.abc import Sequence

from knet.backends.kourier.upstreams import Clusters, is_http1
from knet.envoy.build import routes as build
from knet.envoy.build.filters import CLIENT
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.order import effective
from knet.routing.table import Headers, IngressTable, Route, RouteMatch, VirtualHost, Visibility

ACME_PREFIX = "/.well-known/acme-challenge/"
"""Certificate challenges: never asked for authorisation (facts/translation.md, kourier 12)."""


class VirtualHosts:
    """Builds the virtual hosts of one table; equal matches and header edits are serialised once."""

    def __init__(self, clusters: Clusters, *, authz: bool) -> None:
        self.clusters = clusters
        self.authz = authz
        self.matches: dict[RouteMatch, bytes] = {}

    def virtual_hosts(
        self, ingress: IngressTable, groups: Sequence[tuple[Sequence[VirtualHost], list[str]]]
    ) -> list[bytes]:
        """The virtual hosts of a KIngress, from rows and the hosts that they serve.

        Rows mostly differ in nothing but their hosts (outer and local names of one Route): these become
        one virtual host, and the whole a third of the size. A virtual host that is alone takes any host:
        the scopes let no others come here, and a canary step carries no list of hosts.
        """
        builder = _IngressHosts(self, ingress)
        alike: dict[object, tuple[Sequence[VirtualHost], list[str]]] = {}
        for rows, hosts in groups:
            meaning = builder.meaning(rows)
            known = alike.get(meaning)
            alike[meaning] = (known[0], known[1] + hosts) if known else (rows, hosts)
        alone = len(alike) == 1
        return [builder.virtual_host(sorted(hosts), rows, alone) for rows, hosts in alike.values()]

    def match(self, wanted: RouteMatch) -> bytes:
        found = self.matches.get(wanted)
        if found is None:
            found = self.matches[wanted] = build.match(wanted.path, wanted.headers)
        return found


class _IngressHosts:
    """Builds the virtual hosts of one KIngress; equal splits are serialised once."""

    def __init__(self, shared: VirtualHosts, ingress: IngressTable) -> None:
        self._shared = shared
        self._ingress = ingress
        # parts are shared between routes and live as long as the KIngress: their identities are the key
        self._routes: dict[tuple[int, int, int, str], bytes] = {}
        self._actions: dict[tuple[int, str], bytes] = {}

    def meaning(self, rows: Sequence[VirtualHost]) -> object:
        """Equal for rows that do the same with every request; unequal ones may do the same, too."""
        parts: list[object] = [
            (id(r.match), id(r.splits), id(r.set_headers), r.host_rewrite, r.redirect)
            for row in rows
            for r in row.routes
        ]
        return (*parts, rows[0].visibility if self._shared.authz else None)

    def virtual_host(self, hosts: list[str], rows: Sequence[VirtualHost], alone: bool) -> bytes:
        """The virtual host of some hosts that have the same rows.

        Where every route is a redirect and some route takes any request, Envoy's require_tls says it all;
        elsewhere each redirect is a route of its own in front of the one that serves https.
        """
        routes = effective(rows[0].routes if len(rows) == 1 else [r for row in rows for r in row.routes])
        redirected = [r for r in routes if r.redirect and not self._is_challenge(r)]
        everywhere = bool(redirected) and len(redirected) == len(routes) and _takes_all(routes)
        made: list[bytes] = []
        for route in routes:
            if redirected and not everywhere and route in redirected:
                plain = build.match(route.match.path, route.match.headers, plain_http=True)
                made.append(build.redirect(plain))
            made.append(self._forward(route))
        authz = self._context(rows[0]) if self._shared.authz else b""
        domains = [build.ANY_HOST] if alone else hosts
        return build.virtual_host(hosts[0], domains, made, tls_only=everywhere, authz=authz)

    def _is_challenge(self, route: Route) -> bool:
        return self._shared.authz and route.match.path.startswith(ACME_PREFIX)

    def _forward(self, route: Route) -> bytes:
        key = (id(route.match), id(route.splits), id(route.set_headers), route.host_rewrite)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = self._make(route)
        return found

    def _make(self, route: Route) -> bytes:
        host, edits = _split_host(route.set_headers)
        host = route.host_rewrite or host
        key = (id(route.splits), host)
        action = self._actions.get(key)
        if action is None:
            action = self._actions[key] = self._action(route, host)
        return build.forward(
            self._shared.match(route.match),
            action,
            build.set_headers(edits),
            skip_authz=self._is_challenge(route),
        )

    def _action(self, route: Route, host: str) -> bytes:
        plain, http1 = bool(route.host_rewrite), is_http1(self._ingress.origin.annotations)
        targets = []
        for split in route.splits:
            cluster = self._shared.clusters.find(split.destination, plain=plain, http1=http1)
            own, edits = _split_host(split.set_headers)
            targets.append(build.Target(cluster.name, split.weight, edits, "" if host else own))
        return build.action(targets, host)

    def _context(self, row: VirtualHost) -> bytes:
        visibility = CLUSTER_LOCAL if row.visibility is Visibility.INTERNAL else EXTERNAL
        labels = self._ingress.origin.labels
        return build.authz_context({**labels, CLIENT[0]: CLIENT[1], "visibility": visibility})


def _takes_all(routes: Sequence[Route]) -> bool:
    return any(r.match.path in ("", "/") and not r.match.headers for r in routes)


def _split_host(edits: Headers) -> tuple[str, Headers]:
    """(the Host that header edits set, the other edits): to Envoy it is a host rewrite, never a header."""
    for name, value in edits:
        if len(name) == 4 and name.lower() == "host":
            return value, tuple([(n, v) for n, v in edits if n.lower() != "host"])
    return "", edits
