"""The order in which Contour tries the routes of a host, and where it decides otherwise than the middle.

Contour sorts by prefix, longest first, then by the number of header conditions, most first, then by the
headers' names; of routes with equal conditions it keeps the last. Header conditions without a value are
passed over, and repeated slashes in a prefix are one. (Contour, HTTPProxy request routing.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knet.routing.order import effective
from knet.routing.table import Headers, Route

_SLASHES = re.compile("//+")
_ANY = "\0any"
"""A header value that nobody asks for."""

_Smallest = tuple[str, dict[str, str]]
"""The path and the headers of a request."""


def prefix_of(path: str) -> str:
    """The prefix as Contour matches it."""
    return _SLASHES.sub("/", path) if "//" in path else path or "/"


def conditions_of(headers: Headers) -> Headers:
    """The header conditions that count, by name."""
    return tuple(h for h in headers if h[1]) if any(not v for _, v in headers) else headers


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A request goes to `contour` there and to `middle` (or nowhere) by `knet.routing.match`."""

    middle: Route | None
    contour: Route


def tried(routes: Sequence[Route]) -> list[Route]:
    """Routes, as written, in Contour's order."""
    kept = {(prefix_of(r.match.path), conditions_of(r.match.headers)): r for r in routes}
    ranked = sorted(kept.items(), key=lambda item: _rank(*item[0]))
    return [route for _, route in ranked]


def _rank(prefix: str, conditions: Headers) -> tuple[int, str, int, list[str]]:
    # the text of the prefix only keeps equal ones together: two of one length never match one request
    return -len(prefix.encode()), prefix, -len(conditions), [name for name, _ in conditions]


def disagreements(routes: Sequence[Route]) -> Iterator[Disagreement]:
    """One for each route that takes a request which another should have had (probe copies not again).

    If any request is decided differently, so is the smallest one that both winners take: so only
    those need asking.
    """
    middle, contour = effective(routes), tried(routes)
    if contour == middle and all(_plain(r) for r in routes):
        return
    orders = _Orders(middle, contour)
    seen: set[tuple[int, int]] = set()
    for winner in contour:
        where = (winner.rule, winner.path)
        if where not in seen and (found := orders.against(winner)):
            seen.add(where)
            yield found


def _plain(route: Route) -> bool:
    """Whether Contour's order of routes with such headers is sure: they have values, and one of its own."""
    headers = route.match.headers
    return all(value for _, value in headers) and len(headers) <= 1 + route.probe


class _Orders:
    """The routes of a host in both orders."""

    def __init__(self, middle: list[Route], contour: list[Route]) -> None:
        self._middle = middle
        self._contour = contour
        self._rank = {id(route): i for i, route in enumerate(contour)}
        self._of_prefix: dict[str, list[Route]] = {}
        for route in middle:
            self._of_prefix.setdefault(prefix_of(route.match.path), []).append(route)

    def against(self, winner: Route) -> Disagreement | None:
        """A route that should have had what `winner` takes in Contour, if there is one."""
        for rival in self._rivals(winner):
            request = _smallest(rival, winner)
            if request is None:
                continue
            theirs = next(
                (r for r in self._middle if _takes(r.match.path or "/", r.match.headers, request)), None
            )
            if theirs is winner or (theirs is not None and _action(theirs) == _action(winner)):
                continue
            if self._may_win(winner, request):
                return Disagreement(theirs, winner)
        return None

    def _rivals(self, winner: Route) -> Iterator[Route | None]:
        """Routes (or none at all) that may come first in the middle and not in Contour.

        None has a longer prefix: Contour tries that first as well.
        """
        prefix = prefix_of(winner.match.path)
        if any(not value for _, value in winner.match.headers):
            yield from (r for r in self._middle if prefix.startswith(r.match.path) and r is not winner)
            yield None
            return
        for rival in self._of_prefix[prefix]:
            if rival is winner:
                return
            if self._may_lose(rival, winner):
                yield rival

    def _may_lose(self, rival: Route, winner: Route) -> bool:
        """Whether Contour may try `winner` before `rival`, which the middle tries first."""
        rank = self._rank.get(id(rival))
        return rank is None or rank > self._rank[id(winner)] or _open(rival, winner)

    def _may_win(self, winner: Route, request: _Smallest) -> bool:
        """Whether no route takes the request that Contour surely tries before `winner`."""
        ahead = self._contour[: self._rank[id(winner)]]
        return all(_open(r, winner) for r in ahead if _contour_takes(r, request))


def _open(one: Route, other: Route) -> bool:
    """Whether Contour's sorting leaves open which of two routes it tries first.

    It compares the names of header conditions pair by pair, and any smaller one will do: so that each
    of two routes can come out smaller.
    """
    ranks = [_rank(prefix_of(r.match.path), conditions_of(r.match.headers)) for r in (one, other)]
    if ranks[0][:3] != ranks[1][:3]:
        return False
    pairs = list(zip(ranks[0][3], ranks[1][3], strict=True))
    return not any(a < b for a, b in pairs) or any(b < a for a, b in pairs)


def _smallest(rival: Route | None, winner: Route) -> _Smallest | None:
    """The request that asks for no more than both routes do; None if none can."""
    headers = {name.lower(): value for name, value in conditions_of(winner.match.headers)}
    path = prefix_of(winner.match.path)
    if rival is None:
        return path, headers
    for name, value in rival.match.headers:
        given = headers.get(name.lower())
        if value and given not in (None, value):
            return None
        headers[name.lower()] = value or given or _ANY
    other = rival.match.path or "/"
    if path.startswith(other):
        return path, headers
    return (other, headers) if other.startswith(path) else None


def _takes(prefix: str, headers: Headers, request: _Smallest) -> bool:
    path, given = request
    return path.startswith(prefix) and all(
        name.lower() in given and value in ("", given[name.lower()]) for name, value in headers
    )


def _contour_takes(route: Route, request: _Smallest) -> bool:
    return _takes(prefix_of(route.match.path), conditions_of(route.match.headers), request)


def _action(route: Route) -> tuple[object, ...]:
    """What happens to a request that a route takes, in a form that equals what comes to the same."""
    total = sum(s.weight for s in route.splits) or 1
    shares: dict[tuple[object, ...], float] = {}
    for split in route.splits:
        edits = {n.lower(): v for n, v in (*split.set_headers, *route.set_headers)}
        key = (split.destination.key, tuple(sorted(edits.items())))
        shares[key] = shares.get(key, 0.0) + split.weight / total
    return route.host_rewrite, sorted((k, round(v, 9)) for k, v in shares.items() if v)
