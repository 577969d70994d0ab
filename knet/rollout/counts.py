"""What was counted of one revision, and of both in one window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from knet.rollout.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests that were answered, those among them with a status of 500 or more, and their latencies."""

    requests: float = 0.0
    errors: float = 0.0
    latency: Histogram = field(default_factory=Histogram)

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.requests + other.requests, self.errors + other.errors, self.latency.plus(other.latency)
        )

    def minus(self, earlier: Counts) -> Counts | None:
        """What came since an earlier reading; None if the counters began anew."""
        latency = self.latency.minus(earlier.latency)
        requests, errors = self.requests - earlier.requests, self.errors - earlier.errors
        if latency is None or requests < 0 or errors < 0:
            return None
        return Counts(requests, min(errors, requests), latency)


def total(parts: Iterable[Counts]) -> Counts:
    """The sum, e.g. over the replicas of a gateway."""
    made = Counts()
    for part in parts:
        made = made.plus(part)
    return made


@dataclass(frozen=True, slots=True)
class Window:
    """Both sides over the same time."""

    stable: Counts
    canary: Counts
