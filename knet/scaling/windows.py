"""Sliding windows of one-second buckets, for many revisions at once.

A `Windows` holds `rows` windows of the same number of buckets as NumPy arrays, so that recording and
averaging over all revisions is one pass. Times are whole unix seconds (int64). Facts 1 to 8 of
shared/facts/serving.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).min // 2
"""The time of a write that has not happened."""

MIN_COEFFICIENT = 0.2
LEFT_WEIGHT = 0.0001
"""The exponential window is as long as it takes for all but this much of the weight to be in it."""


def _power(base: float, exponent: int) -> float:
    """base**exponent by repeated squaring, which rounds as Go's math.Pow does."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def round_away(values: Floats, digits: int = 0) -> Floats:
    """Rounded half away from zero, as Go's math.Round does (fact 6)."""
    scale = 10.0**digits
    scaled = values * scale
    whole = np.trunc(scaled)
    rounded = np.where(np.abs(scaled - whole) >= 0.5, whole + np.copysign(1.0, scaled), whole)
    result: Floats = rounded / scale
    return result


class Windows:
    """`rows` windows of `buckets` seconds.

    `exponential` (by row) weighs newer buckets more and is not rounded; else the average is linear.
    """

    def __init__(self, rows: int, buckets: int, exponential: Bools | None = None) -> None:
        self.n = buckets
        self.values: Floats = np.zeros((rows, buckets))
        self.total: Floats = np.zeros(rows)
        self.first: Ints = np.full(rows, NEVER)
        self.last: Ints = np.full(rows, NEVER)
        self.exponential: Bools = np.zeros(rows, bool) if exponential is None else exponential
        # exp(y·log x) rather than x**y: Go's math.Pow rounds like this, and decisions hang on it
        self.coefficient = max(1 - math.exp(1 / buckets * math.log(LEFT_WEIGHT)), MIN_COEFFICIENT)
        self.decay: Floats = np.array([_power(1 - self.coefficient, z) for z in range(buckets)])

    def record(self, now: int, amounts: Floats, where: Bools | None = None) -> None:
        """Adds `amounts` to the bucket of second `now` for the rows of `where` (all by default).

        Several records in one second add up (fact 1); one older than the window is dropped (fact 5).
        """
        rows = np.arange(len(self.total)) if where is None else np.flatnonzero(where)
        rows = rows[now + self.n > self.last[rows]]
        behind = rows[(self.first[rows] == NEVER) | (self.first[rows] > now)]
        self.first[behind] = now
        newer = rows[now > self.last[rows]]
        gap = newer[now - self.last[newer] >= self.n]
        self.first[gap] = now
        self.values[gap] = 0.0
        self.total[gap] = 0.0
        self._clear(newer[now - self.last[newer] < self.n], now)
        self.last[newer] = now
        self.values[rows, now % self.n] += amounts[rows]
        self.total[rows] += amounts[rows]

    def _clear(self, rows: Ints, now: int) -> None:
        """Empties the buckets after the last write up to `now`, oldest first (the sum's order matters)."""
        longest = int((now - self.last[rows]).max(initial=0))
        for offset in range(1, longest + 1):
            part = rows[self.last[rows] + offset <= now]
            slots = (self.last[part] + offset) % self.n
            self.total[part] -= self.values[part, slots]
            self.values[part, slots] = 0.0

    def average(self, now: int) -> Floats:
        """The average of each row at second `now` (facts 3, 4, 6, 7); 0 after a window of silence."""
        silent = np.maximum(now - self.last, 0)
        live = silent < self.n
        result = np.zeros(len(self.total))
        linear = live & ~self.exponential
        result[linear] = self._linear(np.flatnonzero(linear), silent)
        weighted = np.flatnonzero(live & self.exponential)
        if len(weighted):
            result[weighted] = self._weighted(weighted, silent)
        return result

    def _linear(self, rows: Ints, silent: Ints) -> Floats:
        quiet = silent[rows]
        total = self.total[rows].copy()
        for offset in range(1, int(quiet.max(initial=0)) + 1):
            part = quiet >= offset
            chosen = rows[part]
            total[part] -= self.values[chosen, (self.last[chosen] + offset) % self.n]
        count = np.minimum(self.last[rows] - self.first[rows] + 1, self.n - quiet)
        return round_away(total / count, 6)

    def _weighted(self, rows: Ints, silent: Ints) -> Floats:
        quiet = silent[rows]
        count = np.minimum(self.last[rows] - self.first[rows] + 1, self.n - quiet)
        weight: Any = self.coefficient * self.decay[quiet]
        result = np.zeros(len(rows))
        for offset in range(int(count.max(initial=0))):
            part = offset < count
            chosen = rows[part]
            result[part] += self.values[chosen, (self.last[chosen] - offset) % self.n] * weight[part]
            weight = weight * (1 - self.coefficient)
        return result

    def empty(self, now: int) -> Bools:
        """Rows without data: the last write is more than a window ago (fact 4)."""
        result: Bools = now - self.last > self.n
        return result

    def resized(self, buckets: int, now: int) -> Windows:
        """The same rows with another number of buckets, newest kept (fact 8)."""
        made = Windows(len(self.total), buckets, self.exponential)
        kept = min(buckets, self.n)
        live = np.flatnonzero(~self.empty(now))
        for offset in range(kept):
            seconds = self.last[live] - offset
            value = self.values[live, seconds % self.n]
            made.values[live, seconds % buckets] = value
            made.total[live] += value
        made.last[:] = self.last
        made.first[live] = self.last[live] - (self.n - 1)
        return made
