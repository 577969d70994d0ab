"""What a gateway does with one request, read off what was rendered for it (`knet explain`).

A backend may have a pure method `decide(rendered, settings, request) -> Decided`. It reads the rendered
objects as the gateway would, and nothing else, so that a difference to `knet.routing.match` is a
finding about what was rendered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from knet.backends.api import Capabilities, Rendered
from knet.model.kingress import HASH_HEADER
from knet.routing.match import Decision, Outcome, Request
from knet.routing.order import rows_of
from knet.routing.passes.hosts import normal
from knet.routing.table import Headers, RoutingTable, Visibility


@dataclass(frozen=True, slots=True)
class Sent:
    """One destination's part of a request: `headers` are those set, lower case; `host` the new Host or ""."""

    namespace: str
    service: str
    probability: float
    headers: Headers = ()
    host: str = ""


NOBODY = (Outcome.NOT_FOUND, Outcome.NO_CERTIFICATE)


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision, and in words the rendered thing that took it."""

    outcome: Outcome
    sent: tuple[Sent, ...] = ()
    by: str = ""

    def agrees(self, other: Decided) -> bool:
        """Whether two decisions are the same, whoever took them.

        How nobody takes a request does not matter, nor does the hash that answers a probe: gateways
        hash the KIngress before or after its defaults are filled in.
        """
        if self.outcome in NOBODY:
            return other.outcome in NOBODY
        return self.outcome is other.outcome and _unhashed(self.sent) == _unhashed(other.sent)


@runtime_checkable
class Explains(Protocol):
    """A backend that can say what its gateway does with a request."""

    def decide(self, rendered: Rendered, settings: Any, request: Request) -> Decided:
        """The decision. Never raises for what `render` made."""
        ...


def _unhashed(sent: Iterable[Sent]) -> list[Sent]:
    hidden = HASH_HEADER.lower()
    return [replace(s, headers=tuple((n, v) for n, v in s.headers if n != hidden)) for s in sent]


def beyond(capabilities: Capabilities, table: RoutingTable, request: Request) -> str:
    """Why a gateway by its nature has no say in a request, whatever is rendered for it; else empty."""
    if not capabilities.any_case and request.host != request.host.lower():
        return "it compares the host as it is written"
    if request.visibility is Visibility.EXTERNAL or capabilities.inner_serves_external:
        return ""
    host = normal(request.host)
    owner = table.owners.get((Visibility.INTERNAL, host))
    rows = rows_of(table.ingresses[owner], Visibility.INTERNAL, host) if owner else []
    if any(row.visibility is Visibility.EXTERNAL for row in rows):
        return "its inner gateway does not serve the hosts of external rules"
    return ""


def forwarded(sent: Iterable[Sent], by: str = "") -> Decided:
    """A forwarding decision: equal destinations merged, zero shares dropped, sorted."""
    merged: dict[tuple[str, str, Headers, str], float] = {}
    for s in sent:
        key = (s.namespace, s.service, s.headers, s.host)
        merged[key] = merged.get(key, 0.0) + s.probability
    made = (Sent(k[0], k[1], round(p, 6), k[2], k[3]) for k, p in sorted(merged.items()) if p > 0)
    return Decided(Outcome.FORWARD, tuple(made), by)


def of_decision(decision: Decision) -> Decided:
    """The middle's decision in the same terms. A route's header edits overwrite those of its splits."""
    if decision.outcome is not Outcome.FORWARD:
        return Decided(decision.outcome)
    route = {n.lower(): v for n, v in decision.set_headers}
    return forwarded(
        Sent(
            share.destination.namespace,
            share.destination.service,
            share.probability,
            tuple(sorted(({n.lower(): v for n, v in share.set_headers} | route).items())),
            decision.host_rewrite,
        )
        for share in decision.shares
    )


def combined(request: Request) -> dict[str, str]:
    """The request's headers by lower-case name; several of one name are joined by commas."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        lower = name.lower()
        found[lower] = f"{found[lower]},{value}" if lower in found else value
    return found


def bare_path(request: Request) -> str:
    """The path without query and fragment."""
    return request.path.partition("?")[0].partition("#")[0]


def shares(weights: Iterable[int]) -> list[float]:
    """Weights as probabilities; where all are zero, a lone destination takes everything."""
    given = list(weights)
    total = sum(given)
    if not total:
        return [1.0] if len(given) == 1 else [0.0] * len(given)
    return [w / total for w in given]
