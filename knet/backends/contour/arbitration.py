"""Which KIngress has a host that several want: two HTTPProxies of one class and fqdn are both invalid.

Contour serves neither of them then ("fqdn is used in multiple HTTPProxies"), so only one may be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from knet.backends.contour.placement import CLUSTER_DOMAIN, Place, place
from knet.backends.contour.settings import Settings
from knet.routing.passes.conflicts import seniority
from knet.routing.passes.hosts import normal
from knet.routing.table import IngressTable, Key, RoutingTable, VirtualHost, Visibility

Places = Mapping[Place, tuple[VirtualHost, ...]]

_LONGER = (f".{CLUSTER_DOMAIN}", f".svc.{CLUSTER_DOMAIN}")


class Arbiter:
    """Says which places a KIngress keeps: who writes a host down comes before who only has it as a
    shorter form of another host; then the older KIngress, then the first by name.
    """

    def __init__(self, table: RoutingTable, settings: Settings) -> None:
        self._table = table
        self._settings = settings

    def kept(self, ingress: IngressTable, places: Places) -> Places:
        """The places that no other KIngress has."""
        written = written_hosts(ingress)
        if not self._table.contested and all([fqdn in written for _, fqdn in places]):  # noqa: C419 - faster
            return places
        return {p: rows for p, rows in places.items() if self._owner(p) == ingress.key}

    def _owner(self, wanted: Place) -> Key | None:
        return next((key for key in self._claimants(normal(wanted[1])) if self._wants(key, wanted)), None)

    def _claimants(self, host: str) -> Iterator[Key]:
        """All who may want a host, in the order in which they come."""
        yield from self._writers(host)
        others = {key for tail in _LONGER for key in self._writers(host + tail)}
        yield from sorted(others, key=lambda key: seniority(self._table.ingresses[key]))

    def _writers(self, host: str) -> tuple[Key, ...]:
        # every rule claims its hosts inside, whatever its visibility (conflicts.claims)
        claim = (Visibility.INTERNAL, host)
        owner = self._table.owners.get(claim)
        return self._table.contested.get(claim) or ((owner,) if owner else ())

    def _wants(self, key: Key, wanted: Place) -> bool:
        places = place(self._table.ingresses[key], self._settings)
        return any(p[0] == wanted[0] and normal(p[1]) == normal(wanted[1]) for p in places)


def written_hosts(ingress: IngressTable) -> set[str]:
    """The hosts of all rules, as written."""
    return {host for row in ingress.rows for host in row.hosts}
