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
    seen: set[tuple[int, int]] = set()
    for rank, winner in enumerate(contour):
        where = (winner.rule, winner.path)
        if where in seen:
            continue
        found = _against(winner, rank, middle, contour)
        if found:
            seen.add(where)
            yield found


def _plain(route: Route) -> bool:
    """Whether Contour's order of routes with such headers is sure: they have values, and one of its own."""
    headers = route.match.headers
    return all(value for _, value in headers) and len(headers) <= 1 + route.probe


def _against(winner: Route, rank: int, middle: list[Route], contour: list[Route]) -> Disagreement | None:
    ignored = any(not value for _, value in winner.match.headers)
    place = middle.index(winner)
    rivals: list[Route | None] = [*middle, None] if ignored else [*middle[:place]]
    for rival in rivals:
        if rival is winner or (rival and not ignored and not _may_lose(rival, winner, rank, contour)):
            continue
        request = _smallest(rival, winner)
        if request is None:
            continue
        theirs = next((r for r in middle if _takes(r.match.path or "/", r.match.headers, request)), None)
        if theirs is not winner and (theirs is None or _action(theirs) != _action(winner)):
            ahead = [r for r in contour[:rank] if _contour_takes(r, request)]
            if all(_same_rank(r, winner) and not _surely_before(r, winner) for r in ahead):
                return Disagreement(theirs, winner)
    return None


def _may_lose(rival: Route, winner: Route, rank: int, contour: list[Route]) -> bool:
    """Whether Contour may try `winner` before `rival`, which the middle tries first."""
    if rival not in contour[:rank]:
        return True
    return _same_rank(rival, winner) and not _surely_before(rival, winner)


def _same_rank(one: Route, other: Route) -> bool:
    a, b = (_rank(prefix_of(r.match.path), conditions_of(r.match.headers)) for r in (one, other))
    return a[:3] == b[:3]


def _surely_before(one: Route, other: Route) -> bool:
    """Whether Contour's comparison of header names puts `one` first, whichever way it is asked."""
    pairs = list(zip(conditions_of(one.match.headers), conditions_of(other.match.headers), strict=True))
    return any(a[0] < b[0] for a, b in pairs) and not any(b[0] < a[0] for a, b in pairs)


_Smallest = tuple[str, dict[str, str]]


def _smallest(rival: Route | None, winner: Route) -> _Smallest | None:
    """The request (path, headers) that asks for no more than both routes do; None if none can."""
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
