"""The requests that tell two ways of deciding apart.

All conditions of routes ask for something to be there (a path's beginning, a header), so if any request
is decided differently, then so is the least one that satisfies the two routes that the two ways take.
It is enough to ask for those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from knet.backends.istio.virtualservices import authority_prefixes
from knet.routing.match import Request
from knet.routing.order import effective
from knet.routing.passes.hosts import expand, normal
from knet.routing.table import Headers, IngressTable, Route, VirtualHost, Visibility

ANY_VALUE = "x"
"""Stands for whatever value where presence is asked for."""


def names(ingress: IngressTable) -> list[str]:
    """Every name that Istio or the table may serve for a KIngress: hosts as requested, and their forms."""
    found: dict[str, None] = {}
    for row in ingress.rows:
        for host in row.hosts:
            if "*" not in host:
                found.update(dict.fromkeys((normal(host), *map(normal, expand(host)))))
    return list(found)


def rows_taking(ingress: IngressTable, name: str) -> list[VirtualHost]:
    """The rules that have a name, or an authority that it starts with."""
    return [
        row
        for row in ingress.rows
        if any(normal(host) == name for host in row.hosts)
        or name.startswith(tuple(p.lower() for p in authority_prefixes(row.hosts)))
    ]


def requests(
    rows: Iterable[VirtualHost], name: str, visibility: Visibility, schemes: Iterable[str]
) -> Iterator[tuple[Request, Route | None]]:
    """The requests for a name that are worth asking, given the rules that may take it.

    With each the route that it is about: who knows enough of that one need not ask more.
    """
    given = list(rows)
    about: dict[tuple[str, Headers], Route | None] = {("/", ()): None}
    for route in (route for row in given for route in row.routes):
        about.setdefault(_least(route), route)
    for condition, route in _both(given, name):
        about.setdefault(condition, route)
    for scheme in schemes:
        for (path, headers), subject in about.items():
            yield Request(name, path, headers, scheme, visibility), subject


def _least(route: Route) -> tuple[str, Headers]:
    return route.match.path or "/", tuple((n, v or ANY_VALUE) for n, v in route.match.headers)


def _both(rows: list[VirtualHost], name: str) -> Iterator[tuple[tuple[str, Headers], Route]]:
    """For any two routes of which the one may be taken for the other, the least that satisfies both.

    Two routes that everyone takes alike, in the order in which they stand, are not. Probe copies are
    left out: among themselves they are ordered as what they are copies of.
    """
    written = [route for row in rows for route in row.routes if not route.probe]
    ranks = {id(route): rank for rank, route in enumerate(effective(written))}
    own = {id(route) for row in rows if any(normal(h) == name for h in row.hosts) for route in row.routes}
    odd = [id(r) not in own or any(not value for _, value in r.match.headers) for r in written]
    for i, later in enumerate(written):
        path, headers = _least(later)
        for j, earlier in enumerate(written[:i]):
            if not (odd[i] or odd[j] or ranks[id(later)] < ranks[id(earlier)]) or _same(later, earlier):
                continue
            other_path, other_headers = _least(earlier)
            longer, shorter = max(path, other_path, key=len), min(path, other_path, key=len)
            if longer.startswith(shorter):
                merged = _merged(headers, other_headers)
                if merged is not None:
                    yield (longer, merged), later


def _same(a: Route, b: Route) -> bool:
    return (a.splits, a.set_headers, a.host_rewrite, a.redirect) == (
        b.splits,
        b.set_headers,
        b.host_rewrite,
        b.redirect,
    )


def _merged(ours: Headers, others: Headers) -> Headers | None:
    """Both lists of headers in one; None if they contradict each other."""
    found = {name.lower(): (name, value) for name, value in ours}
    for name, value in others:
        known = found.get(name.lower())
        if known is None or known[1] == ANY_VALUE:
            found[name.lower()] = (name, value)
        elif value not in (known[1], ANY_VALUE):
            return None
    return tuple(found.values())
