"""Which host of which rule is served by which Contour (facts/translation.md part 1, contour 1 and 3)."""

from __future__ import annotations

from functools import lru_cache

from knet.backends.contour.settings import Settings
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.passes import hosts
from knet.routing.table import IngressTable, VirtualHost, Visibility

Place = tuple[str, str]
"""(class, fqdn): one HTTPProxy."""

CLUSTER_DOMAIN = "cluster.local"

expand = lru_cache(maxsize=1 << 16)(hosts.expand)


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

    A host that stands in one rule several times has that rule once.
    """
    places: dict[Place, tuple[VirtualHost, ...]] = {}
    internal = settings.class_name(CLUSTER_LOCAL)
    for row in ingress.rows:
        usual = settings.class_name(visibility_of(row))
        for host in row.hosts:
            class_name = internal if forced_internal(host) else usual
            for fqdn in expand(host):
                key = (class_name, fqdn)
                before = places.get(key)
                if before is None:
                    places[key] = (row,)
                elif before[-1] is not row:
                    places[key] = (*before, row)
    return places
