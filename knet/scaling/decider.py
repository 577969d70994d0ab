"""The KPA's decision over all revisions in one pass (facts 11 to 19 of shared/facts/serving.md).

`Deciders` holds the state of many deciders as arrays; `decide` takes the window averages and the ready
pod counts of one tick. Times are milliseconds since any fixed origin (int64).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from knet.scaling.spec import Spec
from knet.scaling.windows import NEVER, Bools, Floats, Ints

TICK_S = 2
NOT_FOUND = -1
"""A ready count for an object that does not exist: taken as 0 pods (fact 11)."""
UNKNOWN = -2
"""A ready count where counting failed: the decision is not valid (fact 11)."""

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Specs:
    """What each decider is told, by row: DeciderSpec in columns (facts 20 to 22).

    `stable_window_ms` and `scale_down_delay_ms` are milliseconds, rates and thresholds ratios.
    """

    max_scale_up_rate: Floats
    max_scale_down_rate: Floats
    target_value: Floats
    total_value: Floats
    target_burst_capacity: Floats
    panic_threshold: Floats
    stable_window_ms: Ints
    scale_down_delay_ms: Ints
    initial_scale: Ints
    activation_scale: Ints
    reachable: Bools

    @classmethod
    def blank(cls, rows: int) -> Specs:
        """Room for so many deciders."""
        kinds: dict[str, Any] = {"Floats": np.float64, "Ints": np.int64, "Bools": np.bool_}
        made = cls(*(np.zeros(rows, dtype=kinds[str(f.type)]) for f in fields(cls)))
        made.target_value[:] = 1.0  # a row that nobody uses divides by nothing
        made.max_scale_down_rate[:] = 1.0
        return made

    @classmethod
    def of(cls, *rows: Spec) -> Specs:
        """Columns from one spec for each row."""
        made = cls.blank(len(rows))
        for row, spec in enumerate(rows):
            made.put(row, spec)
        return made

    def put(self, row: int, spec: Spec) -> None:
        """Has a row say what a spec does."""
        for name in _COLUMNS:
            getattr(self, name)[row] = getattr(spec, name)

    def grown(self, rows: int) -> Specs:
        """The same with room for so many."""
        more = Specs.blank(rows - len(self.reachable))
        return Specs(*(np.concatenate([getattr(self, n), getattr(more, n)]) for n in _COLUMNS))


_COLUMNS = tuple(f.name for f in fields(Specs))


@dataclass(frozen=True, slots=True)
class Decisions:
    """One tick's results by row: `valid` False leaves everything as it was."""

    valid: Bools
    desired: Ints
    excess_burst_capacity: Ints
    panicking: Bools


def initial_excess(specs: Specs) -> Ints:
    """Excess burst capacity before the first decision (fact 19): TBC for -1 and 0, else from the scale."""
    tbc = specs.target_burst_capacity
    known = np.clip(np.trunc(specs.initial_scale * specs.total_value - tbc), INT32.min, INT32.max)
    result: Ints = np.where((tbc == -1) | (tbc == 0), tbc, known).astype(np.int64)
    return result


class Delays:
    """For each row the largest decision of its scale-down delay (fact 17): buckets of two seconds, and the largest of
    them at hand, so that it is looked for only when it leaves.
    """

    def __init__(self, rows: int) -> None:
        self.n: Ints = np.zeros(rows, np.int64)
        self.values: Ints = np.zeros((0, rows), np.int64)
        self.last: Ints = np.full(rows, NEVER)
        self.best: Ints = np.zeros(rows, np.int64)

    def grow(self, rows: int) -> None:
        """Makes room for so many rows."""
        self._reshape(self.values.shape[0], rows)

    def make(self, row: int, delay_ms: int) -> None:
        """Makes a row new."""
        buckets = -(-delay_ms // (TICK_S * 1000))
        if buckets > self.values.shape[0]:
            self._reshape(buckets, len(self.n))
        self.n[row] = buckets
        self.values[:, row] = self.best[row] = 0
        self.last[row] = NEVER

    def _reshape(self, buckets: int, rows: int) -> None:
        more = ((0, buckets - self.values.shape[0]), (0, rows - len(self.n)))
        self.values = np.pad(self.values, more)
        self.n, self.best = (np.pad(a, more[1]) for a in (self.n, self.best))
        self.last = np.pad(self.last, more[1], constant_values=NEVER)

    def largest(self, desired: Ints, now_ms: int, where: Bools) -> Ints:
        """`desired` raised to the largest recorded within the delay, and recorded, for rows of `where`."""
        rows = np.flatnonzero(where & (self.n > 0))
        if not len(rows):
            return desired
        bucket = now_ms // 1000 // TICK_S
        passed = bucket - self.last[rows]
        late = passed > 1
        if late.any():
            self._skip(rows[late], bucket)
        slots, wanted, fresh = bucket % self.n[rows], desired[rows], passed > 0
        before, best = self.values[slots, rows], self.best[rows]
        kept = np.where(fresh, wanted, np.maximum(before, wanted))
        self.values[slots, rows] = kept
        np.maximum(best, kept, out=best)
        left = np.flatnonzero(fresh & (before == best) & (kept < best))
        if len(left):
            best[left] = self.values[:, rows[left]].max(axis=0)
        self.best[rows] = best
        self.last[rows] = np.maximum(self.last[rows], bucket)
        result = desired.copy()
        result[rows] = best
        return result

    def _skip(self, rows: Ints, bucket: int) -> None:
        """Empties the buckets between the last that was written and this one."""
        for offset in range(1, int(self.n[rows].max())):
            part = rows[(offset < self.n[rows]) & (self.last[rows] < bucket - offset)]
            self.values[(bucket - offset) % self.n[part], part] = 0
        self.best[rows] = self.values[:, rows].max(axis=0)


class Deciders:
    """The state of so many deciders."""

    def __init__(self, rows: int) -> None:
        self.specs = Specs.blank(rows)
        self.panic_since: Ints = np.full(rows, NEVER)
        self.most_in_panic: Ints = np.zeros(rows, np.int64)
        self.delays = Delays(rows)

    def grow(self, rows: int) -> None:
        """Makes room for so many."""
        more = (0, rows - len(self.panic_since))
        self.specs = self.specs.grown(rows)
        self.panic_since = np.pad(self.panic_since, more, constant_values=NEVER)
        self.most_in_panic = np.pad(self.most_in_panic, more)
        self.delays.grow(rows)

    def make(self, row: int, spec: Spec, ready: int, now_ms: int) -> None:
        """Makes a row new, when its revision has `ready` pods.

        More than one ready pod starts in panic, so that a restart of the autoscaler never scales down at
        once (fact 14).
        """
        self.specs.put(row, spec)
        self.panic_since[row] = now_ms if ready > 1 else NEVER
        self.most_in_panic[row] = max(ready, 0)
        self.delays.make(row, spec.scale_down_delay_ms)

    def decide(self, stable: Floats, panic: Floats, known: Bools, ready: Ints, now_ms: int) -> Decisions:
        """Decisions from the averages of both windows. `known`: there is data; `ready`: pods or `UNKNOWN`.

        Rows that are not valid keep their state.
        """
        s = self.specs
        valid = known & (ready != UNKNOWN)
        ready = np.where(ready == NOT_FOUND, 0, ready)
        pods = np.maximum(ready, 1)
        _, lifted_stable = self._counts(stable, pods)
        want_panic, lifted_panic = self._counts(panic, pods)
        over = want_panic / pods >= s.panic_threshold
        self._panic(valid, over, now_ms)
        panicking = self.panic_since != NEVER
        most = np.maximum(lifted_stable, lifted_panic)
        self.most_in_panic = np.where(
            valid & panicking, np.maximum(self.most_in_panic, most), self.most_in_panic
        )
        desired = np.where(panicking, self.most_in_panic, lifted_stable)
        desired = self.delays.largest(desired, now_ms, valid & s.reachable)
        return Decisions(valid, desired, self._excess(panic, ready), panicking)

    def _counts(self, value: Floats, pods: Ints) -> tuple[Floats, Ints]:
        """(unclamped pods, pods within the rates and the activation scale) for one average."""
        s = self.specs
        raw = np.ceil(value / s.target_value)
        up = np.ceil(s.max_scale_up_rate * pods)
        down = np.where(s.reachable, np.floor(pods / s.max_scale_down_rate), 0.0)
        clamped = np.minimum(np.maximum(raw, down), up)
        lift = (s.activation_scale > 1) & (raw > 0) & (clamped < s.activation_scale)
        return raw, np.where(lift, s.activation_scale, clamped).astype(np.int64)

    def _panic(self, valid: Bools, over: Bools, now_ms: int) -> None:
        """Enters, extends or leaves panic (fact 13: leaving needs strictly more than the window)."""
        idle = (self.panic_since != NEVER) & (self.panic_since + self.specs.stable_window_ms < now_ms)
        leaves = valid & ~over & idle
        self.most_in_panic = np.where(leaves, 0, self.most_in_panic)
        self.panic_since = np.where(valid & over, now_ms, np.where(leaves, NEVER, self.panic_since))

    def _excess(self, panic: Floats, ready: Ints) -> Ints:
        """Excess burst capacity (fact 18)."""
        s = self.specs
        tbc = s.target_burst_capacity
        left = np.clip(np.floor(ready * s.total_value - tbc - panic), INT32.min, INT32.max)
        result: Ints = np.where(tbc == 0, 0, np.where(tbc > 0, left, -1)).astype(np.int64)
        return result


def number_of_activators(
    ready: npt.ArrayLike, tbc: npt.ArrayLike, total: npt.ArrayLike, capacity: npt.ArrayLike
) -> Ints:
    """How many activators a revision's subset has (fact 29): at least 2, exactly 2 with TBC 0."""
    burst = np.asarray(tbc, np.float64)
    needed = np.ceil((np.asarray(ready) * np.asarray(total) + np.maximum(burst, 0)) / np.asarray(capacity))
    result: Ints = np.where(burst == 0, 2, np.clip(needed, 2, INT32.max)).astype(np.int64)
    return result
