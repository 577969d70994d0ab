"""Which route of a host comes first.

facts/translation.md part 1, kourier 3: a stable sort by the length of the path prefix, longest first;
equal lengths keep the order in which they were written, whatever their headers.
"""

from __future__ import annotations

from collections.abc import Iterable

from knet.routing.table import IngressTable, Route, VirtualHost, Visibility


def effective(routes: Iterable[Route]) -> list[Route]:
    """Routes in the order in which they are tried."""
    found = list(routes)
    if len({r.match.path for r in found}) < 2:
        return found
    return sorted(found, key=lambda r: -len((r.match.path or "/").encode()))


def rows_of(ingress: IngressTable, visibility: Visibility, host: str) -> list[VirtualHost]:
    """The rows that serve a (lower-case) host on one gateway: inside, those of every rule."""
    return [
        row
        for row in ingress.rows
        if (visibility is Visibility.INTERNAL or row.visibility is visibility)
        and any(h.lower() == host for h in row.hosts)
    ]


def routes_of(ingress: IngressTable, visibility: Visibility, host: str) -> list[Route]:
    """All routes of a host on one gateway, in the order in which they are tried.

    A host in several rules has the routes of all of them.
    """
    return effective(route for row in rows_of(ingress, visibility, host) for route in row.routes)
