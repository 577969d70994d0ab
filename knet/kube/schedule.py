"""Which key is due when: the rules of a work queue, without a clock or a loop.

As client-go's: a key is worked on by one at a time, is in the queue once however often it is added,
comes again if it was added while it was worked on, and waits twice as long after each failure.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Schedule(Generic[K]):
    """`first` and `longest` are the pauses after failures, in seconds; `now` is any steady clock."""

    first: float = 0.01
    longest: float = 60.0
    _due: dict[K, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, K]] = field(default_factory=list)
    _working: set[K] = field(default_factory=set)
    _again: dict[K, float] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, key: K, at: float) -> None:
        """Puts a key in for `at`, or earlier if it is in for later; while it is worked on, for after that."""
        if key in self._working:
            self._again[key] = min(at, self._again.get(key, at))
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, key))

    def next_at(self) -> float | None:
        """When the next key is due; None if none is."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # was put in for earlier, or is being worked on
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> K | None:
        """A key that is due; it counts as worked on until `done`."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._working.add(key)
        return key

    def done(self, key: K, now: float, *, failed: bool = False, again: float | None = None) -> None:
        """The work on a key has ended; `again`: look at it after so many seconds anyway."""
        self._working.discard(key)
        added = self._again.pop(key, None)
        if failed:
            times = self._failures.get(key, 0)
            self._failures[key] = times + 1
            self.add(key, now + min(self.first * 2**times, self.longest))
        else:
            self._failures.pop(key, None)
        if again is not None:
            self.add(key, now + again)
        if added is not None and not failed:  # what failed waits, however often it is added
            self.add(key, added)

    def quiet(self, until: float) -> bool:
        """Whether nothing is worked on, and nothing is due before `until`."""
        at = self.next_at()
        return not self._working and (at is None or at >= until)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on or waits."""
        return not self._working and not self._due
