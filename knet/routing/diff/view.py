"""One host as requests meet it: the routes that can win, and what each does.

What this leaves out cannot change a decision: probe copies, routes that an earlier one always beats,
weights of zero, and which of several equal destinations comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from knet.routing.order import effective, rows_of
from knet.routing.passes.tls import select
from knet.routing.table import (
    Destination,
    Headers,
    IngressTable,
    Key,
    Route,
    RouteMatch,
    RoutingTable,
    Visibility,
)


@dataclass(frozen=True, slots=True)
class Action:
    """What a route does: (destination, headers set for it, percent) by destination, and the rest."""

    shares: tuple[tuple[Destination, Headers, float], ...]
    host_rewrite: str
    redirect: bool

    def percents(self) -> dict[Destination, float]:
        """Percent by destination."""
        total: dict[Destination, float] = {}
        for destination, _, percent in self.shares:
            total[destination] = total.get(destination, 0.0) + percent
        return total

    def headers(self, destination: Destination) -> tuple[tuple[Headers, float], ...]:
        """The header edits of one destination's requests, with the part of them that gets each."""
        mine = [(h, p) for d, h, p in self.shares if d == destination]
        total = sum(p for _, p in mine)
        return tuple((h, p / total) for h, p in mine)


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """A route that can win. `match` is normal: path never empty, header names lower case, sorted.

    `where` is its field in the KIngress.
    """

    match: RouteMatch
    action: Action
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate that serves a host: its Secret, the digest ("" where there is none), its fit."""

    secret: Key
    digest: str
    covers: bool

    def __str__(self) -> str:
        what = self.digest or "missing"
        return f"{'/'.join(self.secret)} ({what}{'' if self.covers else ', does not cover the host'})"


@dataclass(frozen=True, slots=True)
class HostView:
    """A host on one gateway: `live` in the order tried, `dead` the matches that can never win.

    `where` is the field of the owner that claims the host.
    """

    owner: Key
    live: tuple[LiveRoute, ...]
    dead: frozenset[RouteMatch]
    tls: tuple[Tls, ...]
    where: str = field(default="", compare=False)


def host_view(
    table: RoutingTable, visibility: Visibility, host: str, *, as_written: bool = False
) -> HostView | None:
    """The host as `table` serves it on one gateway; None if it does not.

    Routes are tried in the order of `knet.routing.order`, or `as_written` for gateways that keep that.
    """
    owner = table.owners.get((visibility, host))
    if owner is None:
        return None
    ingress = table.ingresses[owner]
    rows = rows_of(ingress, visibility, host)
    routes = [route for row in rows for route in row.routes if not route.probe]
    live, dead = live_routes(routes if as_written else effective(routes))
    where = f"spec.rules[{rows[0].rule}].hosts" if rows else "spec.rules"
    tls = tuple(_certificates(table, ingress, visibility, host))
    return HostView(owner, tuple(live), frozenset(dead), tls, where)


def live_routes(routes: list[Route]) -> tuple[list[LiveRoute], set[RouteMatch]]:
    """Routes in the order they are tried, without those that can never win, whose matches come second."""
    live: list[LiveRoute] = []
    dead: set[RouteMatch] = set()
    for route in routes:
        match = _normal(route.match)
        beaten = any(within(match, r.match) for r in live)
        if beaten or not compatible(match.headers, match.headers):
            dead.add(match)
        else:
            live.append(
                LiveRoute(match, action_of(route), f"spec.rules[{route.rule}].http.paths[{route.path}]")
            )
    return live, dead - {r.match for r in live}


def within(one: RouteMatch, other: RouteMatch) -> bool:
    """Whether every request that `one` matches, `other` matches."""
    return one.path.startswith(other.path) and implies(one.headers, other.headers)


def overlap(one: RouteMatch, other: RouteMatch) -> bool:
    """Whether some request is matched by both."""
    nested = one.path.startswith(other.path) or other.path.startswith(one.path)
    return nested and compatible(one.headers, other.headers)


def implies(one: Headers, other: Headers) -> bool:
    """Whether every request with the headers `one` asks for has those that `other` asks for."""
    return all(any(n == name and value in ("", v) for n, v in one) for name, value in other)


def compatible(one: Headers, other: Headers) -> bool:
    """Whether one request can have both."""
    return not any(n == m and v and w and v != w for n, v in one for m, w in other)


def action_of(route: Route) -> Action:
    """What the route does. Its own header edits overwrite those of its splits, whatever their case."""
    total = sum(s.weight for s in route.splits)
    mine = {n.lower(): v for n, v in route.set_headers}
    merged: dict[tuple[Destination, Headers], int] = {}
    for split in route.splits:
        if split.weight:
            edits = {n.lower(): v for n, v in split.set_headers} | mine
            key = (split.destination, tuple(sorted(edits.items())))
            merged[key] = merged.get(key, 0) + split.weight
    shares = ((d, h, 100 * weight / total) for (d, h), weight in merged.items())
    return Action(tuple(sorted(shares, key=_by_name)), route.host_rewrite, route.redirect)


def _by_name(share: tuple[Destination, Headers, float]) -> tuple[str, Headers]:
    return str(share[0]), share[1]


def _normal(match: RouteMatch) -> RouteMatch:
    return RouteMatch(match.path or "/", tuple(sorted({(n.lower(), v) for n, v in match.headers})))


def _certificates(table: RoutingTable, ingress: IngressTable, visibility: Visibility, host: str) -> list[Tls]:
    found: dict[Key, Tls] = {}
    for row, entry in select(ingress.rows, ingress.tls, visibility):
        if entry.secret not in found and any(h.lower() == host for h in row.hosts):
            made = table.certificates.get(entry.secret)
            names = made.dns_names if made else ()
            found[entry.secret] = Tls(entry.secret, made.digest if made else "", covers(names, host))
    return list(found.values())


def covers(names: tuple[str, ...], host: str) -> bool:
    """Whether a certificate for `names` is one for `host`; `*` stands for one label (RFC 6125)."""
    parent = "*." + host.partition(".")[2]
    return any(name.lower() in (host, parent) for name in names)
