"""What a change may not do: `--max-shift` and `--forbid` of `knet diff`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from knet.routing.diff.changes import Change, HostDiff, Kind
from knet.routing.table import Key


@dataclass(frozen=True, slots=True)
class Violation:
    """A change that a guard refuses. `service` and `points`: who moves too far, and how far."""

    host: HostDiff
    change: Change
    service: Key | None = None
    points: float = 0.0
    old: float = 0.0
    new: float = 0.0


def too_far(found: Iterable[HostDiff], most: float) -> Iterator[Violation]:
    """Services whose share of requests that a host has served before moves by more than `most` points.

    Requests that have to ask for a new route with a header (a tag) do not count: nobody sends them
    yet. Nor do those that nothing took before, or that nothing takes now: `--forbid` is for these.
    """
    for host in found:
        for change in host.changes:
            if change.kind not in _MOVING or (_is_new(change) and change.match and change.match.headers):
                continue
            was, now = _by_service(change)
            if sum(was.values()) == 0 or sum(now.values()) == 0:
                continue
            for service in sorted(was):
                points = abs(now[service] - was[service])
                if points > most + 1e-9:
                    yield Violation(host, change, service, points, was[service], now[service])


def forbidden(found: Iterable[HostDiff], kinds: Collection[Kind]) -> Iterator[Violation]:
    """Changes of these kinds."""
    for host in found:
        yield from (Violation(host, change) for change in host.changes if change.kind in kinds)


_MOVING = {Kind.TRAFFIC_SHIFTED, Kind.MATCH_ADDED, Kind.MATCH_REMOVED, Kind.ORDER_CHANGED}


def _is_new(change: Change) -> bool:
    return change.kind in (Kind.MATCH_ADDED, Kind.MATCH_REMOVED)


def _by_service(change: Change) -> tuple[dict[Key, float], dict[Key, float]]:
    """Shares before and after, whatever the port."""
    was: dict[Key, float] = {}
    now: dict[Key, float] = {}
    for shift in change.shifts:
        key = shift.destination.key
        was[key] = was.get(key, 0.0) + shift.old
        now[key] = now.get(key, 0.0) + shift.new
    return was, now
