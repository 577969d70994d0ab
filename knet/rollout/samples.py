"""What was seen in each window, for people to look at: few enough to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from knet.rollout.counts import Counts, Window

MOST = 240


class Side(NamedTuple):
    """Requests, failures, p50 and p99 (ms) with their 95 % intervals, of one window."""

    requests: float = 0.0
    errors: float = 0.0
    p50: float = 0.0
    p50_low: float = 0.0
    p50_high: float = 0.0
    p99: float = 0.0
    p99_low: float = 0.0
    p99_high: float = 0.0


class Sample(NamedTuple):
    """A window that ended at `time` (seconds since 1970), and the canary's weight in it."""

    time: float
    weight: int
    stable: Side
    canary: Side


def sample(time: float, weight: int, window: Window) -> Sample:
    """Of one window."""
    return Sample(round(time, 1), weight, _side(window.stable), _side(window.canary))


def dump(samples: Sequence[Sample]) -> list[Any]:
    """As plain data."""
    return [[s.time, s.weight, list(s.stable), list(s.canary)] for s in samples]


def load(data: Sequence[Any]) -> tuple[Sample, ...]:
    """From plain data."""
    return tuple(Sample(time, weight, Side(*stable), Side(*canary)) for time, weight, stable, canary in data)


def _side(counts: Counts) -> Side:
    latency = counts.latency
    found = [v for q in (0.5, 0.99) for v in (latency.quantile(q), *latency.bounds(q))]
    return Side(counts.requests, counts.errors, *(round(v, 2) for v in found))


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
    return Sample(other.time, other.weight, _sum(one.stable, other.stable), _sum(one.canary, other.canary))


def _sum(one: Side, other: Side) -> Side:
    """Counts added, percentiles weighted by requests: an estimate, for a picture."""
    n, m = one.requests, other.requests
    both = zip(one[2:], other[2:], strict=True)
    means = (round((a * n + b * m) / (n + m), 2) if n + m else 0.0 for a, b in both)
    return Side(n + m, one.errors + other.errors, *means)
