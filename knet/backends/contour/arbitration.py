"""Which KIngress has a host that several want: two HTTPProxies of one class and fqdn are both invalid.

Contour serves neither of them then ("fqdn is used in multiple HTTPProxies"), so only one may be made.
"""

from __future__ import annotations

from collections.abc import Mapping

from knet import checks
from knet.backends.contour.placement import Place, place
from knet.backends.contour.settings import Settings
from knet.routing.passes.conflicts import seniority
from knet.routing.passes.hosts import normal
from knet.routing.table import IngressTable, Key, RoutingTable, VirtualHost

Places = Mapping[Place, tuple[VirtualHost, ...]]


class Arbiter:
    """Says which places a KIngress keeps: who writes a host down comes before who only has it as a
    shorter form of another host; then the older KIngress, then the first by name.

    Almost no table has a conflict, so the owners are only worked out when there may be one.
    """

    def __init__(self, table: RoutingTable, settings: Settings) -> None:
        self._table = table
        self._settings = settings
        self._conflicts = any(d.check is checks.HOST_CONFLICT for d in table.diagnostics)
        self._owners: dict[Place, Key] | None = None

    def kept(self, ingress: IngressTable, places: Places) -> Places:
        """The places that no other KIngress has."""
        if not self._conflicts and written_hosts(ingress).issuperset(fqdn for _, fqdn in places):
            return places
        if self._owners is None:
            self._owners = self._arbitrate()
        owners = self._owners
        return {p: rows for p, rows in places.items() if owners[_normal(p)] == ingress.key}

    def _arbitrate(self) -> dict[Place, Key]:
        claims = [
            (ingress.key, place(ingress, self._settings), written_hosts(ingress))
            for ingress in sorted(self._table.ingresses.values(), key=seniority)
        ]
        owners: dict[Place, Key] = {}
        for spelled in (True, False):
            for key, places, written in claims:
                for found in places:
                    if (found[1] in written) is spelled:
                        owners.setdefault(_normal(found), key)
        return owners


def written_hosts(ingress: IngressTable) -> set[str]:
    """The hosts of all rules, as written."""
    return {host for row in ingress.rows for host in row.hosts}


def _normal(found: Place) -> Place:
    return found[0], normal(found[1])
