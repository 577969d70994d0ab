"""The vocabulary of a difference."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from knet.routing.table import Destination, Key, RouteMatch, Visibility


class Kind(enum.StrEnum):
    """What kind of change it is. The values are the names that `knet diff --forbid` takes."""

    HOST_ADDED = "host-added"
    HOST_REMOVED = "host-removed"
    VISIBILITY_WIDENED = "visibility-widened"
    VISIBILITY_NARROWED = "visibility-narrowed"
    OWNER_CHANGED = "owner-changed"
    TRAFFIC_SHIFTED = "traffic-shifted"
    MATCH_ADDED = "match-added"
    MATCH_REMOVED = "match-removed"
    ORDER_CHANGED = "order-changed"
    HEADERS_CHANGED = "headers-changed"
    HOST_REWRITE_CHANGED = "host-rewrite-changed"
    REDIRECT_ADDED = "redirect-added"
    REDIRECT_REMOVED = "redirect-removed"
    TLS_ADDED = "tls-added"
    TLS_REMOVED = "tls-removed"
    TLS_CHANGED = "tls-changed"
    UPSTREAM_CHANGED = "upstream-changed"

    @property
    def mirror(self) -> Kind:
        """The kind of the same change, undone."""
        return _MIRROR.get(self, self)


_PAIRS = (
    (Kind.HOST_ADDED, Kind.HOST_REMOVED),
    (Kind.VISIBILITY_WIDENED, Kind.VISIBILITY_NARROWED),
    (Kind.MATCH_ADDED, Kind.MATCH_REMOVED),
    (Kind.REDIRECT_ADDED, Kind.REDIRECT_REMOVED),
    (Kind.TLS_ADDED, Kind.TLS_REMOVED),
)
_MIRROR = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


@dataclass(frozen=True, slots=True)
class Shift:
    """One destination's share of some requests before and after, in percent (0: none)."""

    destination: Destination
    old: float
    new: float


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different about a host.

    `visibilities` is empty for a change wherever the host is served, else it names the gateways
    concerned. `match` is the route concerned (None: the whole host). `subject` names what changed
    (a header, a Service), `old` and `new` its value in words ("" is none). `shifts` says how the
    requests concerned are shared out differently; for a new or lost match the other side of it is
    whatever else took (takes) those requests.
    """

    kind: Kind
    visibilities: tuple[Visibility, ...] = ()
    match: RouteMatch | None = None
    subject: str = ""
    old: str = ""
    new: str = ""
    shifts: tuple[Shift, ...] = ()
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class HostDiff:
    """Hosts that change alike, outermost first, with the KIngress that serves them on each side."""

    hosts: tuple[str, ...]
    old: Key | None
    new: Key | None
    changes: tuple[Change, ...]

    def has(self, *kinds: Kind) -> bool:
        return any(c.kind in kinds for c in self.changes)


def reverse(change: Change) -> Change:
    """The change that undoes this one: what `diff` with its sides swapped reports."""
    shifts = tuple(Shift(s.destination, s.new, s.old) for s in change.shifts)
    return replace(change, kind=change.kind.mirror, old=change.new, new=change.old, shifts=shifts)
