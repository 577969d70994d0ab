"""Probe copies: every route twice, first for requests that ask for the hash.

facts/translation.md part 1, Common 2: all copies of a rule come before all originals; a copy matches
`K-Network-Hash: override` as well and answers with the real hash.
"""

from __future__ import annotations

from dataclasses import replace

from knet.model.kingress import HASH_HEADER, HASH_OVERRIDE
from knet.routing.table import Headers, Route, RouteMatch, VirtualHost


def insert_probes(rows: tuple[VirtualHost, ...], probe_hash: str) -> tuple[VirtualHost, ...]:
    """The rows with a probe copy of each route before the originals."""
    return tuple(
        replace(row, routes=tuple(_probe(r, probe_hash) for r in row.routes) + row.routes) for row in rows
    )


def _probe(route: Route, probe_hash: str) -> Route:
    match = RouteMatch(route.match.path, _with(route.match.headers, HASH_OVERRIDE))
    return replace(route, match=match, set_headers=_with(route.set_headers, probe_hash), probe=True)


def _with(headers: Headers, value: str) -> Headers:
    if not headers:
        return ((HASH_HEADER, value),)
    return tuple(sorted({**dict(headers), HASH_HEADER: value}.items()))
