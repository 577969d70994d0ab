"""Work that waits for a quiet moment: what is made ahead must not take the processor from the pod that starts now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

QUIET_S = 0.2
"""Seconds after the last pod has come until something is made for the next, if nothing starts any longer."""
LONGEST_S = 3.0
"""Where pods start all the time, what is made ahead is made at last."""


class Lull:
    """Calls `work` when nobody has called `later` for a while. Belongs to one event loop."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._ended = False
        self.busy: Callable[[], bool] = lambda: False
        """Whether something is starting still: then the moment is not a quiet one."""

    def later(self) -> None:
        """Something has begun that is not to be disturbed."""
        if self._ended:
            return
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._due = loop.time() + LONGEST_S
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + QUIET_S, self._due), self._now)

    def _now(self) -> None:
        loop = asyncio.get_running_loop()
        if self.busy() and loop.time() < self._due:
            self._timer = loop.call_at(min(loop.time() + QUIET_S, self._due), self._now)
            return
        self._timer = None
        self._work()

    def end(self) -> None:
        """There is nothing more to do."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
