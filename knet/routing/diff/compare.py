"""Two views of one host to changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from knet.routing.diff.changes import Change, Kind, Shift
from knet.routing.diff.view import Action, HostView, LiveRoute, overlap, within
from knet.routing.table import Headers, RouteMatch


def compare(old: HostView, new: HostView) -> list[Change]:
    """What is different about a host on one gateway; empty means equal decisions on every request."""
    changes = [*_owner(old, new), *_tls(old, new), *_matches(old, new, Kind.MATCH_ADDED)]
    changes += _matches(new, old, Kind.MATCH_REMOVED)
    before = {r.match: r.action for r in old.live}
    common = [(r, before[r.match]) for r in new.live if r.match in before]
    for route, action in common:
        changes += _actions(route, action, route.action)
    changes += _redirects([(r, a.redirect, r.action.redirect) for r, a in common])
    changes += _order(old, new)
    return changes


def shifts(old: Action | None, new: Action | None) -> tuple[Shift, ...]:
    """Who gets more or less of the requests that two actions share out."""
    one, other = old.percents() if old else {}, new.percents() if new else {}
    wheres = sorted({**one, **other}, key=str)
    moved = (Shift(d, one.get(d, 0.0), other.get(d, 0.0)) for d in wheres)
    return tuple(s for s in moved if s.old != s.new)


def _owner(old: HostView, new: HostView) -> Iterator[Change]:
    if old.owner != new.owner:
        yield Change(Kind.OWNER_CHANGED, old="/".join(old.owner), new="/".join(new.owner), where=new.where)


def _tls(old: HostView, new: HostView) -> Iterator[Change]:
    if old.tls == new.tls:
        return
    kind = Kind.TLS_CHANGED
    if not (old.tls and new.tls):
        kind = Kind.TLS_ADDED if new.tls else Kind.TLS_REMOVED
    yield Change(kind, old=", ".join(map(str, old.tls)), new=", ".join(map(str, new.tls)), where="spec.tls")


def _matches(without: HostView, having: HostView, kind: Kind) -> Iterator[Change]:
    """Matches that only `having` has; those merely shadowed in `without`, to no effect, pass."""
    there = {r.match for r in without.live}
    for route in having.live:
        if route.match not in there and not _decided_alike(route, having, without):
            taker = _taker(route, without)
            sides = (taker, route.action) if kind is Kind.MATCH_ADDED else (route.action, taker)
            yield Change(kind, match=route.match, shifts=shifts(*sides), where=f"{route.where}.splits")


def _decided_alike(route: LiveRoute, mine: HostView, theirs: HostView) -> bool:
    """Whether `theirs`, where `route` is shadowed, does the same with all requests it takes in `mine`."""
    if route.match not in theirs.dead:
        return False
    before = {r.match for r in mine.live[: mine.live.index(route)]}
    for other in theirs.live:
        if not overlap(other.match, route.match):
            continue
        if other.match not in before and other.action != route.action:
            return False
        if within(route.match, other.match):
            return True
    return False


def _taker(route: LiveRoute, view: HostView) -> Action | None:
    """What `view` does with the requests of a route it lacks, where one route takes them all."""
    for other in view.live:
        if within(route.match, other.match):
            return other.action
    return None


def _actions(route: LiveRoute, old: Action, new: Action) -> Iterator[Change]:
    if moved := shifts(old, new):
        yield Change(Kind.TRAFFIC_SHIFTED, match=route.match, shifts=moved, where=f"{route.where}.splits")
    if old.host_rewrite != new.host_rewrite:
        told = (old.host_rewrite, new.host_rewrite)
        where = f"{route.where}.rewriteHost"
        yield Change(Kind.HOST_REWRITE_CHANGED, (), route.match, "", *told, where=where)
    yield from _headers(route, old, new)


def _headers(route: LiveRoute, old: Action, new: Action) -> Iterator[Change]:
    """Header edits of the destinations that both have; one change where all change alike."""
    kept = sorted(old.percents().keys() & new.percents().keys(), key=str)
    edits = {d: list(_edits(old.headers(d), new.headers(d))) for d in kept}
    told: dict[tuple[str, str, str], None] = {}
    for destination in kept:
        for edit in edits[destination]:
            everywhere = all(edit in edits[d] for d in kept)
            name = edit[0] if everywhere else f"{edit[0]} for {destination.service}"
            told[name, *edit[1:]] = None
    for name, was, now in told:
        yield Change(
            Kind.HEADERS_CHANGED, (), route.match, name, was, now, where=f"{route.where}.appendHeaders"
        )


def _edits(
    old: tuple[tuple[Headers, float], ...], new: tuple[tuple[Headers, float], ...]
) -> Iterator[tuple[str, str, str]]:
    """(header name, old value, new value) of what is set differently."""
    if old == new:
        return
    if len(old) == len(new) == 1:
        one, other = dict(old[0][0]), dict(new[0][0])
        for name in sorted({**one, **other}):
            if one.get(name) != other.get(name):
                yield name, _quoted(one.get(name)), _quoted(other.get(name))
    else:  # one Service under several header edits: no header has one value
        yield "headers", _mixture(old), _mixture(new)


def _quoted(value: str | None) -> str:
    return "" if value is None else f'"{value}"'


def _mixture(edits: tuple[tuple[Headers, float], ...]) -> str:
    return "; ".join(f"{_asked(headers) if headers else 'none'} ({part:.0%})" for headers, part in edits)


def _redirects(routes: list[tuple[LiveRoute, bool, bool]]) -> Iterator[Change]:
    """Redirects to https that come or go: one change where it is all routes of the host."""
    for kind, was in ((Kind.REDIRECT_ADDED, False), (Kind.REDIRECT_REMOVED, True)):
        turned = [r for r, old, new in routes if old is was and new is not was]
        if turned and len(turned) == len(routes):
            yield Change(kind, where="spec.httpOption")
        else:
            yield from (Change(kind, match=r.match, where="spec.httpOption") for r in turned)


def _order(old: HostView, new: HostView) -> Iterator[Change]:
    """Routes that changed places, where a request can ask for both and it makes a difference."""
    places = {r.match: i for i, r in enumerate(new.live)}
    after = {r.match: r.action for r in new.live}
    kept = [r for r in old.live if r.match in places]
    for first, second in combinations(kept, 2):
        one, other = first.match, second.match
        if places[one] < places[other] or not overlap(one, other):
            continue
        if first.action != second.action or after[one] != after[other]:
            both = tuple(sorted({*one.headers, *other.headers}))
            yield Change(
                Kind.ORDER_CHANGED,
                match=RouteMatch(max(one.path, other.path, key=len), both),
                old=_asked(one.headers),
                new=_asked(other.headers),
                shifts=shifts(first.action, after[other]),
                where=second.where,
            )


def _asked(headers: Headers) -> str:
    return ", ".join(f"{n}: {v}" if v else f"{n} present" for n, v in headers) or "no header"
