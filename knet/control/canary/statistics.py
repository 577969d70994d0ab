"""Where a rollout's numbers come from: something that counts, and windows out of what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from knet.rollout.counts import Counts, Window


class StatisticsError(Exception):
    """Nothing can be told now; in words for the Canary's status."""


class Provider(Protocol):
    """Counters that only grow, by revision; a revision without requests may be missing."""

    async def read(self, namespace: str, revisions: Sequence[str]) -> Mapping[str, Counts]:
        """What has been counted until now. Raises StatisticsError."""


Clock = Callable[[], float]


@dataclass(slots=True)
class Sampler:
    """The windows of one rollout. Counters that began anew, and a sampler that did, lose a window, no more."""

    provider: Provider
    seconds: float
    clock: Clock
    _last: tuple[float, str, Counts, Counts] | None = field(default=None, init=False)

    async def window(self, namespace: str, stable: str, canary: str) -> Window | None:
        """What was counted since the last one, once `seconds` have passed. Raises StatisticsError."""
        now, about = self.clock(), f"{stable}/{canary}"
        last = self._last
        if last is not None and last[1] == about and now - last[0] < self.seconds:
            return None
        found = await self.provider.read(namespace, (stable, canary))
        read = found.get(stable, Counts()), found.get(canary, Counts())
        self._last = (now, about, *read)
        if last is None or last[1] != about:
            return None
        stable_part, canary_part = read[0].minus(last[2]), read[1].minus(last[3])
        if stable_part is None or canary_part is None:
            return None
        return Window(stable_part, canary_part)
