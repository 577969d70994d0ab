"""Latencies as gateways count them: how many requests fell between which bounds. Milliseconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

Bin = tuple[float, float, float]
"""Lower bound, upper bound (may be infinite), how many."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """`bins` in order, without empty ones. They may be as fine or coarse as the gateway's are."""

    bins: tuple[Bin, ...] = ()

    @property
    def total(self) -> float:
        return sum(n for _, _, n in self.bins)

    def surely_above(self, x: float) -> float:
        """How many were at `x` or above it, at the least."""
        return sum(n for low, _, n in self.bins if low >= x)

    def maybe_above(self, x: float) -> float:
        """How many were above `x`, at the most."""
        return sum(n for _, high, n in self.bins if high > x)

    def percentile(self, q: float) -> float:
        """The upper bound of the bin that the q-th request fell in (its lower one where that is infinite)."""
        wanted, seen = q * self.total, 0.0
        for low, high, n in self.bins:
            seen += n
            if seen >= wanted:
                return high if math.isfinite(high) else low
        return 0.0

    def quantile(self, q: float) -> float:
        """An estimate within that bin, for people."""
        wanted, seen = q * self.total, 0.0
        for low, high, n in self.bins:
            if seen + n >= wanted:
                return low + (high - low) * (wanted - seen) / n if math.isfinite(high) else low
            seen += n
        return 0.0

    def bounds(self, q: float) -> tuple[float, float]:
        """A 95 % interval of a quantile by its ranks, without any assumption of a shape; of this window alone."""
        n = self.total
        if not n:
            return 0.0, 0.0
        reach = 1.96 * math.sqrt(n * q * (1 - q))
        ranks = (max(0.0, q * n - reach) / n, min(n, q * n + reach + 1) / n)
        return self.quantile(ranks[0]), self.quantile(min(1.0, ranks[1]))

    def plus(self, other: Histogram, decay: float = 1.0) -> Histogram:
        """Both; what this one holds counts `decay` times."""
        held: dict[tuple[float, float], float] = {}
        for factor, one in ((decay, self), (1.0, other)):
            for low, high, n in one.bins:
                held[low, high] = held.get((low, high), 0.0) + n * factor
        return histogram((low, high, n) for (low, high), n in held.items())

    def minus(self, earlier: Histogram) -> Histogram | None:
        """What was added since an earlier reading of the same counters; None if they began anew meanwhile."""
        held = {(low, high): n for low, high, n in self.bins}
        for low, high, n in earlier.bins:
            left = held.get((low, high), 0.0) - n
            if left < 0:
                return None
            held[low, high] = left
        return histogram((low, high, n) for (low, high), n in held.items())


def histogram(bins: Iterable[Bin]) -> Histogram:
    """From bins in any order; those with nothing in them (or next to it) are left out."""
    return Histogram(tuple(sorted((low, high, n) for low, high, n in bins if n > 1e-3)))
