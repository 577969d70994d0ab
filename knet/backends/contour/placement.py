"""Which host of which rule is served by which Contour (facts/translation.md part 1, contour 1 and 3)."""

from __future__ import annotations

from knet.backends.contour.settings import Settings
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.passes.hosts import expand
from knet.routing.table import Headers, IngressTable, Route, VirtualHost, Visibility

Place = tuple[str, str]
"""(class, fqdn): one HTTPProxy."""

CLUSTER_DOMAIN = "cluster.local"


def visibility_of(row: VirtualHost) -> str:
    """A rule's visibility as it was written: net-contour never fills in defaults."""
    if row.visibility is Visibility.INTERNAL:
        return CLUSTER_LOCAL
    return EXTERNAL if row.declared else ""


def forced_internal(host: str) -> bool:
    """Whether a host goes to the internal Contour whatever its rule says, with all its shorter forms."""
    return host.endswith(CLUSTER_DOMAIN)


def place(ingress: IngressTable, settings: Settings) -> dict[Place, tuple[VirtualHost, ...]]:
    """Every HTTPProxy a KIngress wants and the rules that its routes come from, in the rules' order.

    A host that stands in one rule several times has that rule once. Rules that write a host down come
    before those that only have it as a shorter form.
    """
    places: dict[Place, tuple[VirtualHost, ...]] = {}
    written: set[Place] = set()
    internal = settings.class_name(CLUSTER_LOCAL)
    for row in ingress.rows:
        usual = settings.class_name(visibility_of(row))
        for host in row.hosts:
            class_name = internal if forced_internal(host) else usual
            for fqdn in expand(host):
                key = (class_name, fqdn)
                if fqdn == host:
                    before = places.get(key, ()) if key in written else ()
                    written.add(key)
                elif key in written:
                    continue
                else:
                    before = places.get(key, ())
                if not before or before[-1] is not row:
                    places[key] = (*before, row)
    return places


def routes_of(rows: tuple[VirtualHost, ...]) -> tuple[Route, ...]:
    """The routes of a place.

    Of routes with equal matches Contour keeps the last. So that the first written wins, as elsewhere,
    only that one is there for a host that stands in several rules.
    """
    if len(rows) == 1:
        return rows[0].routes
    first: dict[tuple[str, Headers], Route] = {}
    for row in rows:
        for route in row.routes:
            first.setdefault((route.match.path or "/", route.match.headers), route)
    return tuple(first.values())
