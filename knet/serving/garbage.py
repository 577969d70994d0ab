"""Which old revisions of a Configuration may go (config-gc; facts/knative.md A.3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from knet.model.config_gc import Gc
from knet.model.serving import Configuration, Revision
from knet.serving.revision_names import NO_GC, ROUTING_STATE_LABEL, ROUTING_STATE_MODIFIED
from knet.serving.routing_state import RESERVE

_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Garbage:
    """The revisions to delete, and after how many seconds to look again (None: when something changes)."""

    names: tuple[str, ...] = ()
    again: float | None = None


def collect(
    configuration: Configuration, revisions: Iterable[Revision], named: Collection[str], gc: Gc, now: int
) -> Garbage:
    """What is garbage. `named` are revisions that Routes name, whatever their labels say; `now` in ns since 1970.

    The latest ready one stays, as does what carries `no-gc`, and the `min-non-active-revisions` last active ones.
    """
    least, most = gc.min_non_active_revisions, gc.max_non_active_revisions
    timed = gc.retain_since_create_time is not None or gc.retain_since_last_active_time is not None
    if most is None and not timed:
        return Garbage()
    idle = [r for r in revisions if not _needed(r, configuration, named)]
    idle.sort(key=lambda r: (_last_active(r), r.metadata.name))
    gone: list[str] = []
    kept: list[Revision] = []
    again: float | None = None
    for revision in idle:
        if not timed or len(idle) - len(gone) <= least:
            kept.append(revision)
            continue
        left = _left(revision, gc, now)
        if left <= 0:
            gone.append(revision.metadata.name)
        else:
            kept.append(revision)
            again = left / _NANO if again is None else min(again, left / _NANO)
    if most is not None and len(kept) > most:
        gone += [r.metadata.name for r in kept[: len(kept) - most]]
    return Garbage(tuple(gone), again)


def _needed(revision: Revision, configuration: Configuration, named: Collection[str]) -> bool:
    meta = revision.metadata
    return (
        meta.name == configuration.status_text("latestReadyRevisionName")
        or meta.name == configuration.status_text("latestCreatedRevisionName")
        or meta.name in named
        or meta.annotations.get(NO_GC, "").lower() == "true"
        # what nobody has said to be out of use yet
        or meta.labels.get(ROUTING_STATE_LABEL) != RESERVE
        or bool(meta.deletion_timestamp)
    )


def _left(revision: Revision, gc: Gc, now: int) -> int:
    """For how many ns it is still to be kept: both limits have to have passed."""
    left = 0
    if gc.retain_since_create_time is not None:
        left = max(left, _created(revision) + gc.retain_since_create_time - now)
    if gc.retain_since_last_active_time is not None:
        left = max(left, _last_active(revision) + gc.retain_since_last_active_time - now)
    return left


def _last_active(revision: Revision) -> int:
    """When its routing state changed last; when it was created, where that is not said or no time."""
    said = _time(revision.metadata.annotations.get(ROUTING_STATE_MODIFIED, ""))
    return _created(revision) if said is None else said


def _created(revision: Revision) -> int:
    return _time(revision.metadata.creation_timestamp) or 0


def _time(text: str) -> int | None:
    """Nanoseconds since 1970 of RFC 3339 text; None for what is no such text."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) * _NANO if moment.tzinfo else None
