"""The requests that tell two ways of deciding apart.

All conditions of routes ask for something to be there (a path's beginning, a header), so if any request
is decided differently, then so is the least one that satisfies the two routes that the two ways take.
It is enough to ask for those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from knet.backends.istio.virtualservices import authority_prefixes
from knet.routing.match import Request
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
) -> Iterator[Request]:
    """The requests for a name that are worth asking, given the rules that may take it."""
    routes = [route for row in rows for route in row.routes]
    conditions = dict.fromkeys([("/", ()), *map(_least, routes), *_both(routes)])
    for scheme in schemes:
        for path, headers in conditions:
            yield Request(name, path, headers, scheme, visibility)


def _least(route: Route) -> tuple[str, Headers]:
    return route.match.path or "/", tuple((n, v or ANY_VALUE) for n, v in route.match.headers)


def _both(routes: list[Route]) -> Iterator[tuple[str, Headers]]:
    """For any two routes that can meet, the least that satisfies both.

    Probe copies are left out: among themselves they are ordered as what they are copies of.
    """
    written = [route for route in routes if not route.probe]
    for i, later in enumerate(written):
        path, headers = _least(later)
        for earlier in written[:i]:
            other_path, other_headers = _least(earlier)
            longer, shorter = max(path, other_path, key=len), min(path, other_path, key=len)
            if longer.startswith(shorter):
                merged = _merged(headers, other_headers)
                if merged is not None:
                    yield longer, merged


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
