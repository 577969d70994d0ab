"""KIngress rules to rows: paths, header matches, splits, header edits, host rewrites, redirects.

The rules of one KIngress mostly repeat the same splits, so equal splits, matches and header edits are made
once and shared: backends may use their identity to serialise them once.
"""

from __future__ import annotations

from collections.abc import Mapping

from knet.model.kingress import (
    CLUSTER_LOCAL,
    HASH_OVERRIDE,
    IngressBackendSplit,
    IngressRule,
    KIngress,
    identity,
)
from knet.routing.passes.probes import with_hash
from knet.routing.table import Destination, Headers, Route, RouteMatch, Split, VirtualHost, Visibility

REDIRECTED = "Redirected"


def make_rows(ingress: KIngress, probe_hash: str) -> tuple[VirtualHost, ...]:
    """One row for each rule, in order: probe copies of its routes (`probes`), then the routes as written."""
    maker = _RowMaker(ingress.spec.http_option == REDIRECTED, probe_hash)
    return tuple([maker.row(i, rule) for i, rule in enumerate(ingress.spec.rules)])


class _RowMaker:
    """Makes the rows of one KIngress; holds what they share."""

    __slots__ = ("_hash", "_headers", "_matches", "_redirected", "_seen", "_splits")

    def __init__(self, redirected: bool, probe_hash: str) -> None:
        self._redirected = redirected
        self._hash = probe_hash
        self._headers: dict[tuple[Headers, str], Headers] = {}
        self._matches: dict[tuple[str, Headers], RouteMatch] = {}
        self._splits: dict[object, tuple[Split, ...]] = {}
        self._seen: dict[int, tuple[Split, ...]] = {}

    def row(self, index: int, rule: IngressRule) -> VirtualHost:
        visibility = Visibility.INTERNAL if rule.visibility == CLUSTER_LOCAL else Visibility.EXTERNAL
        redirect = self._redirected and visibility is Visibility.EXTERNAL
        copies: list[Route] = []
        written: list[Route] = []
        for j, path in enumerate(rule.http.paths if rule.http else ()):
            where, host, splits = path.path, path.rewrite_host, self._shared_splits(path.splits)
            matched = tuple(sorted([(n, m.exact) for n, m in path.headers.items()])) if path.headers else ()
            edits = sorted_headers(path.append_headers) if path.append_headers else ()
            probe, answer = self._with(matched, HASH_OVERRIDE), self._with(edits, self._hash)
            copies.append(
                Route(self._match(where, probe), splits, answer, host, index, j, redirect, probe=True)
            )
            written.append(Route(self._match(where, matched), splits, edits, host, index, j, redirect))
        return VirtualHost(rule.hosts, visibility, (*copies, *written), index, bool(rule.visibility))

    def _match(self, path: str, headers: Headers) -> RouteMatch:
        key = (path, headers)
        found = self._matches.get(key)
        if found is None:
            found = self._matches[key] = RouteMatch(path, headers)
        return found

    def _with(self, headers: Headers, value: str) -> Headers:
        key = (headers, value)
        found = self._headers.get(key)
        if found is None:
            found = self._headers[key] = with_hash(headers, value)
        return found

    def _shared_splits(self, splits: tuple[IngressBackendSplit, ...]) -> tuple[Split, ...]:
        known = self._seen.get(id(splits))
        if known is not None:
            return known
        key = tuple([identity(split) for split in splits])
        found = self._splits.get(key)
        if found is None:
            found = self._splits[key] = _make_splits(splits)
        self._seen[id(splits)] = found  # rules mostly share their paths (`IngressSpec`)
        return found


def _make_splits(splits: tuple[IngressBackendSplit, ...]) -> tuple[Split, ...]:
    lone = len(splits) == 1
    made = []
    for split in splits:
        where = Destination(split.service_namespace, split.service_name, split.service_port)
        implicit = lone and not split.percent
        weight = 100 if implicit else split.percent
        made.append(Split(where, weight, sorted_headers(split.append_headers), implicit))
    return tuple(made)


def sorted_headers(headers: Mapping[str, str]) -> Headers:
    """Header edits by name, bytewise (code point order is UTF-8 byte order)."""
    return tuple(sorted(headers.items())) if len(headers) > 1 else tuple(headers.items())
