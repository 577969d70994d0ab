"""What an activator tells the autoscaler: concurrency and requests of each revision, by exact integrals. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from knet.dataplane.activator_gate import Gate, Key
from knet.scaling.stat import Report, Stat


def middle_after(last: float, now: float) -> float:
    """When to report next: in the middle of a second, so that it is there when that second is decided about.

    Once in each, though a sleep ends a little before `last`, for which it was meant: two reports of one second count
    as two activators. After a clock that was set back this second's middle is as good as any.
    """
    due = math.floor(now + 0.5) + 0.5
    return due + 1 if due == last else due


@dataclass(slots=True)
class _Told:
    area: float
    requests: int
    at: float


class Demand:
    """Remembers what was told last. `pod` is the activator's name."""

    def __init__(self, pod: str) -> None:
        self._pod = pod
        self._told: dict[Key, _Told] = {}

    def cold(self, gate: Gate, now: float) -> Report | None:
        """The report of a revision's first request, which is told at once; None if it is known to be in demand."""
        if gate.key in self._told:
            return None
        # one request has been told of: the next report leaves it out
        self._told[gate.key] = _Told(gate.area(now), gate.requests, now)
        return self._report(gate.key, 1.0, 1.0)

    def again(self, gates: Iterable[Gate]) -> list[Report]:
        """What somebody has to hear who knows nothing: those in demand, as they are."""
        return [
            self._report(g.key, float(g.concurrency), float(g.concurrency)) for g in gates if g.concurrency
        ]

    def period(self, gates: Iterable[Gate], now: float) -> list[Report]:
        """The averages since the last report, of revisions that had requests; one more when they have ended."""
        made = []
        for gate in gates:
            told = self._told.get(gate.key)
            if told is None:
                if not gate.concurrency:
                    continue
                told = _Told(gate.area(now), gate.requests, now)
                self._told[gate.key] = told
                continue
            passed = now - told.at
            if passed <= 0:
                continue
            area, requests = gate.area(now), gate.requests
            made.append(
                self._report(gate.key, (area - told.area) / passed, (requests - told.requests) / passed)
            )
            if not gate.concurrency and requests == told.requests and area == told.area:
                del self._told[gate.key]
                continue
            told.area, told.requests, told.at = area, requests, now
        return made

    def forget(self, key: Key) -> None:
        """The revision is gone."""
        self._told.pop(key, None)

    def _report(self, key: Key, concurrency: float, requests: float) -> Report:
        return Report(*key, Stat(self._pod, concurrency=concurrency, requests=requests))
