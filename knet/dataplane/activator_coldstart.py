"""How long a start from zero takes, by phase. Pure; moments are seconds of one clock.

- decide: from the first request that is held until a pod has an address (autoscaler, Deployment, pod)
- start: until its queue-proxy takes connections
- ready: until the user's process passes its readiness probe
- first_byte: until the first byte of the answer to the first request
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from knet.dataplane.activator_gate import Key

PHASES = ("decide", "start", "ready", "first_byte")
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_KEPT = 1000


@dataclass(slots=True)
class ColdStart:
    """One, under way."""

    held: float
    moments: list[float] = field(default_factory=list)

    def reach(self, phase: str, now: float) -> None:
        """A phase is over; those before it are if nobody said so. A second time says nothing."""
        while len(self.moments) <= PHASES.index(phase):
            self.moments.append(max(now, self.held))

    @property
    def over(self) -> bool:
        return len(self.moments) == len(PHASES)

    def seconds(self) -> dict[str, float]:
        """By phase."""
        begins = [self.held, *self.moments]
        return {phase: end - begin for phase, begin, end in zip(PHASES, begins, self.moments, strict=False)}


class ColdStarts:
    """Those under way, and what is known of those that are over."""

    def __init__(self) -> None:
        self._now: dict[Key, ColdStart] = {}
        self.last: dict[Key, dict[str, float]] = {}
        self.recent: deque[dict[str, float]] = deque(maxlen=_KEPT)
        self._counts = {phase: [0] * (len(_BOUNDS) + 1) for phase in (*PHASES, "total")}
        self._sums = dict.fromkeys((*PHASES, "total"), 0.0)

    def begin(self, key: Key, now: float) -> None:
        """The first request is held at a revision without pods."""
        self._now.setdefault(key, ColdStart(now))

    def reach(self, key: Key, phase: str, now: float) -> None:
        """See `ColdStart.reach`; a revision that is not starting is none of our business."""
        started = self._now.get(key)
        if started is None:
            return
        started.reach(phase, now)
        if started.over:
            del self._now[key]
            self._keep(key, started.seconds())

    def under_way(self, key: Key) -> bool:
        return key in self._now

    def forget(self, key: Key) -> None:
        """The revision is gone, or nobody waits for it any longer."""
        self._now.pop(key, None)

    def _keep(self, key: Key, seconds: dict[str, float]) -> None:
        self.last.pop(key, None)
        self.last[key] = seconds
        if len(self.last) > _KEPT:
            del self.last[next(iter(self.last))]
        self.recent.append(seconds)
        for phase, value in (*seconds.items(), ("total", sum(seconds.values()))):
            self._counts[phase][sum(value > bound for bound in _BOUNDS)] += 1
            self._sums[phase] += value

    def text(self) -> Iterable[str]:
        """Lines in Prometheus' format: a histogram by phase, and the last start of each revision."""
        yield "# HELP knet_cold_start_seconds Starts from zero by phase: decide, start, ready, first_byte, and total."
        yield "# TYPE knet_cold_start_seconds histogram"
        for phase, counts in self._counts.items():
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), counts, strict=True):
                total += count
                yield f'knet_cold_start_seconds_bucket{{phase="{phase}",le="{bound}"}} {total}'
            yield f'knet_cold_start_seconds_sum{{phase="{phase}"}} {self._sums[phase]:.6f}'
            yield f'knet_cold_start_seconds_count{{phase="{phase}"}} {total}'
        yield "# HELP knet_cold_start_last_seconds The last start from zero of a revision, by phase."
        yield "# TYPE knet_cold_start_last_seconds gauge"
        for (namespace, name), seconds in self.last.items():
            for phase, value in seconds.items():
                labels = f'namespace="{namespace}",revision="{name}",phase="{phase}"'
                yield f"knet_cold_start_last_seconds{{{labels}}} {value:.6f}"
