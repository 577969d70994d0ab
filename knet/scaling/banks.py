"""The windows of many revisions: those of equal length lie together, so that most are read in one pass."""

from __future__ import annotations

import numpy as np

from knet.scaling.spec import EXPONENTIAL, Spec
from knet.scaling.windows import Bools, Floats, Ints, Windows

_FEWEST_SLOTS = 16
_NOBODY = -1

Lengths = tuple[int, int]
"""Seconds of the stable and of the panic window."""


def more_than(rows: int) -> int:
    """How much room to make when this much is full. What is unused costs time in every pass."""
    return rows + rows // 8 + _FEWEST_SLOTS


def lengths_of(spec: Spec) -> Lengths:
    """The lengths of its windows, in whole seconds (fact 1)."""
    return -(-spec.metric_stable_window_ms // 1000), -(-spec.metric_panic_window_ms // 1000)


class _Bank:
    """Windows of one pair of lengths. A revision has a slot; `rows` says whose a slot is."""

    def __init__(self, lengths: Lengths) -> None:
        self.stable, self.panic = (Windows(_FEWEST_SLOTS, n) for n in lengths)
        self.rows: Ints = np.full(_FEWEST_SLOTS, _NOBODY)
        self._free = list(range(_FEWEST_SLOTS - 1, -1, -1))
        self._used: Ints | None = None

    @property
    def used(self) -> Ints:
        """The slots that somebody has."""
        if self._used is None:
            self._used = np.flatnonzero(self.rows != _NOBODY)
        return self._used

    def add(self, row: int) -> int:
        if not self._free:
            had = len(self.rows)
            has = more_than(had)
            self.rows = np.pad(self.rows, (0, has - had), constant_values=_NOBODY)
            self._free += range(has - 1, had - 1, -1)
            self.stable.grow(has)
            self.panic.grow(has)
        slot = self._free.pop()
        self.rows[slot] = row
        self._used = None
        return slot

    def remove(self, slot: int) -> None:
        self.rows[slot] = _NOBODY
        self._free.append(slot)
        self._used = None


class Banks:
    """The windows of so many rows."""

    def __init__(self, rows: int) -> None:
        self._banks: dict[Lengths, _Bank] = {}
        self._lengths: list[Lengths | None] = [None] * rows
        self._slots: Ints = np.zeros(rows, np.int64)

    def grow(self, rows: int) -> None:
        """Makes room for so many rows."""
        more = rows - len(self._lengths)
        self._lengths += [None] * more
        self._slots = np.pad(self._slots, (0, more))

    def add(self, row: int, spec: Spec) -> None:
        """Makes windows for a row. The aggregation algorithm is fixed with that (fact 8)."""
        bank, slot = self._place(row, lengths_of(spec))
        for windows in (bank.stable, bank.panic):
            windows.clear(slot, exponential=spec.aggregation == EXPONENTIAL)

    def update(self, row: int, spec: Spec, now: int) -> None:
        """Takes a changed spec at second `now`; windows of another length are resized."""
        wanted, had = lengths_of(spec), self._lengths[row]
        if had == wanted or had is None:
            return
        old, slot = self._banks[had], int(self._slots[row])
        tracks = old.stable.take(slot), old.panic.take(slot)
        self.remove(row)
        bank, slot = self._place(row, wanted)
        for windows, track, n in zip((bank.stable, bank.panic), tracks, had, strict=True):
            windows.put(slot, track if windows.n == n else track.resized(windows.n, now))

    def remove(self, row: int) -> None:
        """Forgets the windows of a row."""
        lengths = self._lengths[row]
        if lengths is not None:
            bank = self._banks[lengths]
            bank.remove(int(self._slots[row]))
            self._lengths[row] = None
            if not len(bank.used):
                del self._banks[lengths]

    def _place(self, row: int, lengths: Lengths) -> tuple[_Bank, int]:
        bank = self._banks.get(lengths)
        if bank is None:
            bank = self._banks[lengths] = _Bank(lengths)
        self._lengths[row] = lengths
        self._slots[row] = slot = bank.add(row)
        return bank, slot

    def record(self, second: int, rows: Ints, amounts: Floats) -> None:
        """Adds amounts, a row for each series, to the windows of rows, none of which comes twice."""
        if len(self._banks) == 1:
            (bank,) = self._banks.values()
            parts = [(bank, self._slots[rows], amounts)]
        else:
            parts = []
            slots = self._slots[rows]
            for bank in self._banks.values():
                here = np.flatnonzero((slots < len(bank.rows)) & (bank.rows[slots % len(bank.rows)] == rows))
                parts.append((bank, slots[here], amounts[:, here]))
        for bank, slots, part in parts:
            bank.stable.record(second, slots, part)
            bank.panic.record(second, slots, part)

    def averages(self, now: int, series: Ints) -> tuple[Floats, Floats, Bools]:
        """(stable, panic, whether there is no data) of each row; `series` says of which one."""
        stable, panic = np.zeros(len(series)), np.zeros(len(series))
        empty = np.ones(len(series), bool)
        for bank in self._banks.values():
            slots = bank.used
            rows = bank.rows[slots]
            wanted = np.zeros(len(bank.rows), np.int64)
            wanted[slots] = series[rows]
            stable[rows] = bank.stable.average(now, wanted)[slots]
            panic[rows] = bank.panic.average(now, wanted)[slots]
            empty[rows] = bank.stable.empty(now)[slots]
        return stable, panic, empty
