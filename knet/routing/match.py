"""Where does this request go, with what probability, with which header edits, and why.

The oracle of the property tests and the engine of `knet explain`. It decides as net-kourier's Envoy
does (facts/translation.md, kourier); gateways that decide otherwise say so with a Diagnostic.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from knet.routing.order import routes_of
from knet.routing.passes.hosts import normal
from knet.routing.passes.tls import select
from knet.routing.table import (
    Destination,
    Headers,
    IngressTable,
    Key,
    Route,
    RoutingTable,
    Visibility,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `headers` are (name, value) pairs in any case; `path` may carry a query."""

    host: str
    path: str = "/"
    headers: Headers = ()
    scheme: str = "http"
    visibility: Visibility = Visibility.EXTERNAL


class Outcome(enum.StrEnum):
    FORWARD = "forward"
    REDIRECT = "redirect"
    NOT_FOUND = "not found"
    NO_CERTIFICATE = "no certificate"


@dataclass(frozen=True, slots=True)
class Share:
    """One destination of a decision: its probability (0..1) and the headers set only there."""

    destination: Destination
    probability: float
    set_headers: Headers


@dataclass(frozen=True, slots=True)
class Considered:
    """One route that was looked at: `why` is empty for the one that takes the request."""

    ingress: Key
    route: Route
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a request. `considered` lists routes in the order in which they were tried."""

    outcome: Outcome
    ingress: Key | None = None
    route: Route | None = None
    shares: tuple[Share, ...] = ()
    set_headers: Headers = ()
    host_rewrite: str = ""
    reason: str = ""
    considered: tuple[Considered, ...] = ()


def decide(table: RoutingTable, request: Request) -> Decision:
    """The decision of the table on a request."""
    host = normal(request.host)
    owner = table.owners.get((request.visibility, host))
    if owner is None:
        return Decision(Outcome.NOT_FOUND, reason=_why_unknown(table, request, host))
    ingress = table.ingresses[owner]
    if request.scheme == "https" and not _has_certificate(ingress, request.visibility, host):
        reason = f"no certificate serves {host} on this gateway"
        return Decision(Outcome.NO_CERTIFICATE, owner, reason=reason)
    considered: list[Considered] = []
    for route in routes_of(ingress, request.visibility, host):
        why = refusal(route, request)
        considered.append(Considered(owner, route, why))
        if not why:
            return _taken(owner, route, request, tuple(considered))
    return Decision(
        Outcome.NOT_FOUND, owner, reason=f"no route of {host} takes it", considered=tuple(considered)
    )


def refusal(route: Route, request: Request) -> str:
    """Why a route does not take a request, in words; empty if it does."""
    path = request.path.partition("?")[0].partition("#")[0]
    if not path.startswith(route.match.path or "/"):
        return f"path {path} does not start with {route.match.path}"
    for name, wanted in route.match.headers:
        got = ",".join(v for n, v in request.headers if n.lower() == name.lower())
        present = any(n.lower() == name.lower() for n, _ in request.headers)
        if not present:
            return f"header {name} is absent"
        if wanted and got != wanted:
            return f'header {name} is "{got}", not "{wanted}"'
    return ""


def _taken(owner: Key, route: Route, request: Request, considered: tuple[Considered, ...]) -> Decision:
    if route.redirect and request.scheme == "http":
        return Decision(
            Outcome.REDIRECT, owner, route, reason="plain http is redirected to https", considered=considered
        )
    return Decision(
        Outcome.FORWARD,
        owner,
        route,
        tuple(_shares(route)),
        route.set_headers,
        route.host_rewrite,
        considered=considered,
    )


def _shares(route: Route) -> Iterator[Share]:
    total = sum(s.weight for s in route.splits)
    for split in route.splits:
        if split.weight:
            yield Share(split.destination, split.weight / total, split.set_headers)


def _has_certificate(ingress: IngressTable, visibility: Visibility, host: str) -> bool:
    """Whether a TLS entry that serves some rule of this visibility names the host.

    It need not be that rule's host: server names are all the hosts of the entry (facts/translation.md,
    kourier 11).
    """
    entries = {entry for _, entry in select(ingress.rows, ingress.tls, visibility)}
    return any(host == h.lower() or _covers(h.lower(), host) for entry in entries for h in entry.hosts)


def _covers(pattern: str, host: str) -> bool:
    return pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) >= len(pattern)


def _why_unknown(table: RoutingTable, request: Request, host: str) -> str:
    other = Visibility.INTERNAL if request.visibility is Visibility.EXTERNAL else Visibility.EXTERNAL
    if (other, host) in table.owners:
        return f"{host} is served only inside the cluster"
    return f"no KIngress has the host {host}"
