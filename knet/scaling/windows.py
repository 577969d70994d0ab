"""Sliding windows of one-second buckets, for many revisions at once.

A `Windows` holds `rows` windows of the same number of buckets as NumPy arrays, so that recording and
averaging over all revisions is one pass. Each row has two series, concurrency and requests, which are always
written together. Times are whole unix seconds (int64). Facts 1 to 8 of shared/facts/serving.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).min // 2
"""The time of a write that has not happened."""

SERIES = 2
CONCURRENCY, REQUESTS = 0, 1

MIN_COEFFICIENT = 0.2
_COEFFICIENTS = (
    0.9999, 0.99, 0.9535841116638721, 0.9, 0.8415106807538886, 0.7845565309968116, 0.7317304204720274,
    0.683772233983162, 0.6406186336195372, 0.6018928294465027, 0.5671238718916941, 0.535841116638722,
    0.507611736829326, 0.4820525320768788, 0.45883047345353634, 0.4376586748096509, 0.41829086706256413,
    0.40051574968105896, 0.3841517889339736, 0.36904265551980675, 0.3550533228962376, 0.342066775342432,
    0.3299812496490411, 0.31870793094203875, 0.3081690290810636, 0.29829617132961717, 0.28902905676875645,
    0.28031432699884795, 0.27210461560168486, 0.2643577455403586, 0.25703604924050527, 0.2501057906675441,
    0.24353667244537114, 0.23730141409765548, 0.231375389960226, 0.2257363173188729, 0.22036398695947668,
    0.21524002964853872, 0.21034771315002732, 0.2056717652757185, 0.20119821919842973,
)  # fmt: skip
"""By length from 1 on: 1 - 0.0001^(1/length), so that all but a ten-thousandth of the weight is within the window. As Go's
math.Pow rounds them on amd64 (measured with Go 1.26; C's functions are another last bit off here and there): decisions
hang on it. What is longer has the minimum.
"""


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
    """Rounded half away from zero, as Go's math.Round does (fact 6); there is no negative zero."""
    scale = 10.0**digits
    scaled = values * scale
    rounded = np.rint(scaled)
    ties = np.flatnonzero(np.abs(scaled - rounded) == 0.5)  # which rint rounds to the even neighbour
    if len(ties):
        rounded[ties] = np.trunc(scaled[ties]) + np.copysign(1.0, scaled[ties])
    result: Floats = rounded / scale + 0.0
    return result


@dataclass(frozen=True, slots=True)
class Track:
    """One row, taken out of windows of `len(values)` buckets."""

    values: Floats
    total: Floats
    first: int
    last: int
    exponential: bool

    def resized(self, buckets: int, now: int) -> Track:
        """The same with another number of buckets, newest kept (fact 8)."""
        n = len(self.values)
        values, total = np.zeros((buckets, SERIES)), np.zeros(SERIES)
        if now - self.last > n:  # nothing was written for longer than the window
            return Track(values, total, NEVER, self.last, self.exponential)
        for second in range(self.last, self.last - min(buckets, n), -1):
            value = self.values[second % n]
            values[second % buckets] = value
            total += value
        return Track(values, total, self.last - (n - 1), self.last, self.exponential)


class Windows:
    """`rows` windows of `buckets` seconds. Rows are given by their numbers.

    `exponential` (by row) weighs newer buckets more and is not rounded; else the average is linear.
    """

    def __init__(self, rows: int, buckets: int) -> None:
        self.n = buckets
        self.values: Floats = np.zeros((buckets, SERIES, rows))
        self.total: Floats = np.zeros((SERIES, rows))
        self.first: Ints = np.full(rows, NEVER)
        self.last: Ints = np.full(rows, NEVER)
        self.exponential: Bools = np.zeros(rows, bool)
        self.coefficient = _COEFFICIENTS[buckets - 1] if buckets <= len(_COEFFICIENTS) else MIN_COEFFICIENT
        self.decay: Floats = np.array([_power(1 - self.coefficient, z) for z in range(buckets)])

    def grow(self, rows: int) -> None:
        """Makes room for so many rows."""
        more = rows - len(self.first)
        self.values = np.concatenate([self.values, np.zeros((self.n, SERIES, more))], axis=2)
        self.total = np.concatenate([self.total, np.zeros((SERIES, more))], axis=1)
        self.first = np.concatenate([self.first, np.full(more, NEVER)])
        self.last = np.concatenate([self.last, np.full(more, NEVER)])
        self.exponential = np.concatenate([self.exponential, np.zeros(more, bool)])

    def clear(self, row: int, *, exponential: bool) -> None:
        """Makes a row new."""
        nothing = Track(np.zeros((self.n, SERIES)), np.zeros(SERIES), NEVER, NEVER, exponential)
        self.put(row, nothing)

    def take(self, row: int) -> Track:
        """What a row holds."""
        return Track(
            self.values[:, :, row].copy(),
            self.total[:, row].copy(),
            int(self.first[row]),
            int(self.last[row]),
            bool(self.exponential[row]),
        )

    def put(self, row: int, track: Track) -> None:
        """Has a row hold what another did; it has as many buckets as these."""
        self.values[:, :, row] = track.values
        self.total[:, row] = track.total
        self.first[row], self.last[row] = track.first, track.last
        self.exponential[row] = track.exponential

    def record(self, now: int, rows: Ints, amounts: Floats) -> None:
        """Adds `amounts` (a row for each series) to the bucket of second `now`. No row comes twice.

        Several records in one second add up (fact 1); one older than the window is dropped (fact 5).
        """
        fresh = now + self.n > self.last[rows]
        if not fresh.all():
            rows, amounts = rows[fresh], amounts[:, fresh]
        last, first = self.last[rows], self.first[rows]
        gap = rows[now - last >= self.n]
        self.values[:, :, gap] = 0.0
        self.total[:, gap] = 0.0
        self._clear(rows[(now > last) & (now - last < self.n)], now)
        self.first[rows[(first == NEVER) & (last != now) | (first > now)]] = now
        self.first[gap] = now
        self.last[rows] = np.maximum(last, now)
        bucket = self.values[now % self.n]
        bucket[:, rows] += amounts
        self.total[:, rows] += amounts

    def _clear(self, rows: Ints, now: int) -> None:
        """Empties the buckets after the last write up to `now`, oldest first (the sum's order matters)."""
        if not len(rows):
            return
        last = self.last[rows]
        for offset in range(1, now - int(last.min()) + 1):
            part = last + offset <= now
            chosen, slots = (rows, last + offset) if part.all() else (rows[part], last[part] + offset)
            slots %= self.n
            self.total[:, chosen] -= self.values[slots, :, chosen].T
            self.values[slots, :, chosen] = 0.0

    def average(self, now: int, series: Ints) -> Floats:
        """The average of each row at second `now` (facts 3, 4, 6, 7); 0 after a window of silence.

        `series` says for each row of which one.
        """
        silent = np.maximum(now - self.last, 0)
        live = silent < self.n
        total = np.where(series == REQUESTS, self.total[REQUESTS], self.total[CONCURRENCY])
        stale = np.flatnonzero(live & (silent > 0) & ~self.exponential)
        if len(stale):
            total[stale] = self._without_stale(stale, series[stale], silent[stale], total[stale])
        count = np.minimum(self.last - self.first + 1, self.n - silent)
        result = round_away(total / np.maximum(count, 1), 6)
        result[~live] = 0.0
        weighted = np.flatnonzero(live & self.exponential)
        if len(weighted):
            result[weighted] = self._weighted(weighted, series[weighted], silent[weighted])
        return result

    def _without_stale(self, rows: Ints, series: Ints, quiet: Ints, total: Floats) -> Floats:
        """Totals without the buckets that have left the window since the last write."""
        for offset in range(1, int(quiet.max()) + 1):
            part = np.flatnonzero(quiet >= offset)
            chosen = rows[part]
            slots = (self.last[chosen] + offset) % self.n
            total[part] -= self.values[slots, series[part], chosen]
        return total

    def _weighted(self, rows: Ints, series: Ints, quiet: Ints) -> Floats:
        result = np.zeros(len(rows))
        last = self.last[rows]
        count = np.minimum(last - self.first[rows] + 1, self.n - quiet)
        # rows that were written last in the same second read the same buckets with the same weights
        alike = last * SERIES + series
        for code in np.unique(alike).tolist():
            part = np.flatnonzero(alike == code)
            weight = self.coefficient * float(self.decay[quiet[part[0]]])
            buckets = self._backwards(code // SERIES, code % SERIES, int(count[part].max()))
            result[part] = self._summed(buckets, rows[part], weight)
        return result

    def _backwards(self, last: int, which: int, count: int) -> Iterator[Floats]:
        """The newest buckets of a series, newest first. Those before a row's first write hold nothing."""
        return (self.values[(last - offset) % self.n, which] for offset in range(count))

    def _summed(self, buckets: Iterator[Floats], rows: Ints, weight: float) -> Floats:
        """The buckets of rows, each with a smaller weight than the one before."""
        width = len(self.last)
        whole = 2 * len(rows) > width  # picking them out of each bucket costs more than adding up all
        found, product = (np.zeros(width if whole else len(rows)) for _ in range(2))
        for bucket in buckets:
            np.multiply(bucket if whole else bucket[rows], weight, out=product)
            found += product
            weight *= 1 - self.coefficient
        return found[rows] if whole else found

    def empty(self, now: int) -> Bools:
        """Rows without data: the last write is more than a window ago (fact 4)."""
        result: Bools = now - self.last > self.n
        return result
