"""What was seen in each window, for people to look at: few enough to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from knet.rollout.counts import Counts, Window

MOST = 240


class Sample(NamedTuple):
    """A window that ended at `time`: the canary's weight; requests, failures, p50 and p99 (ms) of both sides."""

    time: float
    weight: int
    stable: float
    stable_errors: float
    stable_p50: float
    stable_p99: float
    canary: float
    canary_errors: float
    canary_p50: float
    canary_p99: float


def sample(time: float, weight: int, window: Window) -> Sample:
    """Of one window."""
    return Sample(round(time, 1), weight, *_side(window.stable), *_side(window.canary))


def _side(counts: Counts) -> tuple[float, float, float, float]:
    points = (round(counts.latency.quantile(q), 2) for q in (0.5, 0.99))
    p50, p99 = points
    return counts.requests, counts.errors, p50, p99


def thinned(samples: Sequence[Sample]) -> list[Sample]:
    """No more than `MOST`: neighbours of the same weight are put together, their counts added."""
    made = list(samples)
    while len(made) > MOST:
        pairs: list[Sample] = []
        i = 0
        while i < len(made):
            both = i + 1 < len(made) and made[i].weight == made[i + 1].weight
            pairs.append(_together(made[i], made[i + 1]) if both else made[i])
            i += 2 if both else 1
        if len(pairs) == len(made):
            return made[-MOST:]
        made = pairs
    return made


def _together(one: Sample, other: Sample) -> Sample:
    """Counts added, percentiles weighted by requests: an estimate, for a picture."""

    def mean(a: float, n: float, b: float, m: float) -> float:
        return round((a * n + b * m) / (n + m), 2) if n + m else 0.0

    s, t = (one.stable, other.stable), (one.canary, other.canary)
    return Sample(
        other.time,
        other.weight,
        sum(s),
        one.stable_errors + other.stable_errors,
        mean(one.stable_p50, s[0], other.stable_p50, s[1]),
        mean(one.stable_p99, s[0], other.stable_p99, s[1]),
        sum(t),
        one.canary_errors + other.canary_errors,
        mean(one.canary_p50, t[0], other.canary_p50, t[1]),
        mean(one.canary_p99, t[0], other.canary_p99, t[1]),
    )
