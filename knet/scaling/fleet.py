"""All revisions that an autoscaler decides for: what was measured of them and what was decided, in arrays.

One pass over NumPy arrays decides for all of them; the clock is an argument. Facts 1 to 19 of
shared/facts/serving.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from knet.scaling.banks import Banks, more_than
from knet.scaling.decider import NOT_FOUND, Deciders, Specs, initial_excess
from knet.scaling.spec import Spec
from knet.scaling.stat import Stat
from knet.scaling.windows import CONCURRENCY, NEVER, REQUESTS, SERIES, Bools, Floats, Ints

K = TypeVar("K", bound=Hashable)

_FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Standing:
    """What last was decided for a revision, and from what (`ready`: the pods that were ready then). `valid` False: there
    was no data, or none that could be trusted, and nothing has changed. Times are ms.
    """

    spec: Spec
    ready: int
    desired: int
    excess: int
    valid: bool
    stable: float | None
    panic: float | None
    panicking: bool
    panic_since: int | None
    most_in_panic: int
    decided_at: int | None
    held_until: int | None


class Fleet(Generic[K]):
    """Revisions by their keys."""

    def __init__(self) -> None:
        rows = _FEWEST_ROWS
        self._rows: dict[K, int] = {}
        self._keys: list[K | None] = [None] * rows
        self._specs: list[Spec | None] = [None] * rows
        self._free = list(range(rows - 1, -1, -1))
        self.deciders = Deciders(rows)
        self._banks = Banks(rows)
        self._in_use: Bools = np.zeros(rows, bool)
        self._scraped: Bools = np.zeros(rows, bool)
        self._series: Ints = np.zeros(rows, np.int64)
        self.ready: Ints = np.zeros(rows, np.int64)
        self._ready_then: Ints = np.zeros(rows, np.int64)
        self.desired: Ints = np.full(rows, -1)
        self.excess: Ints = np.zeros(rows, np.int64)
        self._held: Ints = np.full(rows, NEVER)
        self.stable: Floats = np.zeros(rows)
        self.panic: Floats = np.zeros(rows)
        self._valid: Bools = np.zeros(rows, bool)
        self._known: Bools = np.zeros(rows, bool)
        self._decided: Ints = np.full(rows, NEVER)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def row(self, key: K) -> int:
        """The row of a revision in all arrays. Raises KeyError."""
        return self._rows[key]

    def spec(self, key: K) -> Spec:
        """What a revision is decided by. Raises KeyError."""
        spec = self._specs[self._rows[key]]
        assert spec is not None
        return spec

    def put(self, key: K, spec: Spec, ready: int, now_ms: int, *, hold: bool = False) -> None:
        """Takes a revision in, or a changed spec for one.

        `hold`: it is not new but new to us, and has pods: it is not scaled to zero before a whole stable window
        has been seen of it.
        """
        row = self._rows.get(key)
        if row is not None:
            if self._specs[row] == spec:
                return
            self.deciders.specs.put(row, spec)
            self._banks.update(row, spec, now_ms // 1000)
        else:
            row = self._take_row(key)
            self.deciders.make(row, spec, ready, now_ms)
            self._banks.add(row, spec)
            self.ready[row], self.desired[row] = ready, -1
            self._ready_then[row] = ready
            self.excess[row] = initial_excess(Specs.of(spec))[0]
            self._held[row] = now_ms + spec.stable_window_ms if hold and ready > 0 else NEVER
            self.stable[row] = self.panic[row] = 0.0
            self._known[row] = self._valid[row] = False
            self._decided[row] = NEVER
        self._specs[row] = spec
        self._scraped[row] = bool(spec.scrape_target)
        self._series[row] = REQUESTS if spec.scaling_metric == "rps" else CONCURRENCY

    def drop(self, key: K) -> None:
        """Forgets a revision."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._keys[row] = self._specs[row] = None
            self._in_use[row] = False
            self._banks.remove(row)
            self._free.append(row)

    def set_ready(self, key: K, ready: int) -> None:
        """How many pods of a revision are ready now (`NOT_FOUND`, `UNKNOWN`: see `decider`)."""
        row = self._rows.get(key)
        if row is not None:
            self.ready[row] = ready

    def record(self, second: int, stats: Mapping[K, Stat]) -> None:
        """Counts reports in a second; what came by a proxy is counted there (fact 2). Keys not here are let go."""
        known = [(row, stat) for key, stat in stats.items() if (row := self._rows.get(key)) is not None]
        rows = np.fromiter((row for row, _ in known), np.int64, len(known))
        amounts = np.empty((SERIES, len(known)))
        amounts[CONCURRENCY] = [s.concurrency - s.proxied_concurrency for _, s in known]
        amounts[REQUESTS] = [s.requests - s.proxied_requests for _, s in known]
        self.record_rows(second, rows, amounts)

    def record_rows(self, second: int, rows: Ints, amounts: Floats) -> None:
        """The same by rows, none of them twice; `amounts` has a row for each series."""
        self._banks.record(second, rows, amounts)

    def at_rest(self, key: K) -> bool:
        """Whether a request for it has to wait for the first pod: it is decided for at once (fact 19)."""
        row = self._rows.get(key)
        return row is not None and self.desired[row] <= 0

    def decide(self, now_ms: int, only: Iterable[K] | None = None) -> list[K]:
        """Decides for all revisions (or some); gives those for which something else holds now (fact 19)."""
        asked = self._in_use
        if only is not None:
            asked = np.zeros_like(asked)
            asked[[self._rows[key] for key in only if key in self._rows]] = True
        stable, panic, empty = self._banks.averages(now_ms // 1000, self._series)
        known = asked & ~(self._scraped & empty)
        made = self.deciders.decide(stable, panic, known, self.ready, now_ms)
        valid = made.valid & ~((made.desired == 0) & (self._held > now_ms))
        changed = valid & (
            (made.desired != self.desired) | ((made.excess_burst_capacity < 0) != (self.excess < 0))
        )
        np.copyto(self.desired, made.desired, where=valid)
        np.copyto(self.excess, made.excess_burst_capacity, where=valid)
        np.copyto(self.stable, stable, where=asked)
        np.copyto(self.panic, panic, where=asked)
        np.copyto(self._ready_then, self.ready, where=asked)
        np.copyto(self._known, known, where=asked)
        np.copyto(self._valid, valid, where=asked)
        self._decided[asked] = now_ms
        return [key for row in np.flatnonzero(changed) if (key := self._keys[row]) is not None]

    def standing(self, key: K) -> Standing:
        """What holds for a revision, and why. Raises KeyError."""
        row = self._rows[key]
        known = bool(self._known[row])
        ready = int(self._ready_then[row])
        since, decided, held = (int(a[row]) for a in (self.deciders.panic_since, self._decided, self._held))
        return Standing(
            self.spec(key),
            max(ready, 0) if ready >= NOT_FOUND else ready,
            int(self.desired[row]),
            int(self.excess[row]),
            bool(self._valid[row]),
            float(self.stable[row]) if known else None,
            float(self.panic[row]) if known else None,
            since != NEVER,
            None if since == NEVER else since,
            int(self.deciders.most_in_panic[row]),
            None if decided == NEVER else decided,
            held if held > decided else None,
        )

    def _take_row(self, key: K) -> int:
        if not self._free:
            self._grow(more_than(len(self._keys)))
        row = self._free.pop()
        self._rows[key] = row
        self._keys[row] = key
        self._in_use[row] = True
        return row

    def _grow(self, rows: int) -> None:
        had = len(self._keys)
        more = (0, rows - had)
        self._keys += [None] * more[1]
        self._specs += [None] * more[1]
        self._free += range(rows - 1, had - 1, -1)
        self.deciders.grow(rows)
        self._banks.grow(rows)
        for name in (
            "_in_use",
            "_scraped",
            "_known",
            "_valid",
            "_series",
            "_ready_then",
            "ready",
            "excess",
            "stable",
            "panic",
        ):
            setattr(self, name, np.pad(getattr(self, name), more))
        self.desired = np.pad(self.desired, more, constant_values=-1)
        for name in ("_held", "_decided"):
            setattr(self, name, np.pad(getattr(self, name), more, constant_values=NEVER))
