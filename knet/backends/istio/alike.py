"""A quick look that spares most KIngresses the long one: where Istio surely decides as the table does."""

from __future__ import annotations

from itertools import pairwise

from knet.backends.istio.secrets import certificates
from knet.backends.istio.settings import Settings
from knet.backends.istio.virtualservices import LOCAL_SUFFIX, authority_prefixes
from knet.routing.order import effective
from knet.routing.passes.hosts import expand, routable
from knet.routing.passes.rows import REDIRECTED
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, RoutingTable, VirtualHost, Visibility

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


def surely_alike(ingress: IngressTable, table: RoutingTable, settings: Settings) -> bool:
    """False where a request might be decided differently; `differences` then looks for one.

    What it takes: separate gateways outside and inside, hosts that are its own and written in all their
    forms, routes in the order in which they should win, no authority that takes another rule's hosts by
    prefix, and the same hosts with https.
    """
    outside, inside = (settings.chosen(v, ingress.origin.labels) for v in (EXT, INT))
    if not outside or not inside or not {g.key for g in outside}.isdisjoint(g.key for g in inside):
        return False
    if ingress.http_option == REDIRECTED and not all(_takes_all(row) for row in ingress.rows):
        return False
    return (
        (not ingress.tls or _same_https(ingress, table))
        and _hosts_are_its_own(ingress, table)
        and all(_in_order(row) for row in ingress.rows)
        and _prefixes_take_nothing_else(ingress)
    )


def _takes_all(row: VirtualHost) -> bool:
    """Whether a route takes every request: those are redirected anyway, whether one does or not."""
    return row.visibility is INT or any(
        route.match.path in ("", "/") and not route.match.headers for route in row.routes
    )


def _same_https(ingress: IngressTable, table: RoutingTable) -> bool:
    """Whether Istio's TLS servers, which for wildcard certificates have their names, cover the same hosts."""
    if next(select(ingress.rows, ingress.tls, INT), None):
        return False
    found = certificates(table, ingress, EXT)
    if not found.plain and not found.wildcard:
        return True
    servers = {h for entry in found.entries for h in entry.hosts}
    wanted = {h for _, entry in select(ingress.rows, ingress.tls, EXT) for h in entry.hosts}
    given = servers.union(*(held.dns_names for held in found.wildcard.values()))
    hosts = {h for row in ingress.rows if row.visibility is EXT for h in row.hosts}
    return bool(ingress.http_option) and all(_covered(h, wanted) == _covered(h, given) for h in hosts)


def _covered(host: str, names: set[str]) -> bool:
    return host in names or any(name[:2] == "*." and host.endswith(name[1:]) for name in names)


def _hosts_are_its_own(ingress: IngressTable, table: RoutingTable) -> bool:
    """Owners are kept by normal names, so hosts with capitals or ports are nobody's as written."""
    owners, key = table.owners, ingress.key
    for row in ingress.rows:
        visibility, hosts = row.visibility, row.hosts
        for host in hosts:
            if owners.get((visibility, host)) != key:
                return False
            if host.endswith(".cluster.local"):
                forms = expand(host)
                if len(forms) < 2 or not set(forms).issubset(hosts):
                    return False
            elif not routable(host):
                return False
    return True


def _in_order(row: VirtualHost) -> bool:
    routes = row.routes
    if any(not value for route in routes if route.match.headers for _, value in route.match.headers):
        return False
    return len(routes) <= 2 or all(a is b for a, b in zip(routes, effective(routes), strict=True))


def _prefixes_take_nothing_else(ingress: IngressTable) -> bool:
    """No external authority starts another rule's host, no internal one another internal rule's.

    That internal authorities start external hosts is usual (`app.default` and `app.default.example.com`)
    and shows inside only, where external hosts are not served anyway. In sorted order, what starts with a
    text comes right behind it.
    """
    everything: list[tuple[str, bool]] = []
    internal: list[str] = []
    for row in ingress.rows:
        prefixes = authority_prefixes(row.hosts)
        if row.visibility is EXT:
            everything += [(prefix, True) for prefix in prefixes]
        else:
            internal += prefixes
            everything += [(host.removesuffix(LOCAL_SUFFIX), False) for host in row.hosts]
    everything.sort()
    internal.sort()
    return not any(
        external and following.startswith(prefix)
        for (prefix, external), (following, _) in pairwise(everything)
    ) and not any(b.startswith(a) for a, b in pairwise(internal))
