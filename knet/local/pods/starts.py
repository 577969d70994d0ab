"""Whose turn it is to start: many pods that come at once start one after the other, some at a time.

All at once they would take the processor from one another, and everybody would wait for the last. So they start in the
order in which they came, as many together as keep the processors busy. Who starts slowly holds nobody up for long.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable

MOST = 4 * (os.cpu_count() or 1)
"""How many start together: a start waits for disk and wire too."""
PATIENCE_S = 1.0
"""After so long a start counts as over: it waits for something else than the processor."""


class Starts:
    """Belongs to one event loop."""

    def __init__(self, most: int = MOST, patience: float = PATIENCE_S) -> None:
        self._most = most
        self._patience = patience
        self._under_way: dict[str, asyncio.TimerHandle] = {}
        self._waiting: OrderedDict[str, Callable[[], None]] = OrderedDict()

    def enter(self, uid: str, turn: Callable[[], None]) -> bool:
        """Whether a pod may start now. If not, `turn` is called when it may: it asks again then."""
        if uid in self._under_way:
            return True
        if len(self._under_way) >= self._most:
            self._waiting.setdefault(uid, turn)
            return False
        self._begin(uid)
        return True

    def busy(self) -> bool:
        """Whether any start is under way."""
        return bool(self._under_way)

    def leave(self, uid: str) -> None:
        """A pod has started, or will not."""
        self._waiting.pop(uid, None)
        timer = self._under_way.pop(uid, None)
        if timer is not None:
            timer.cancel()
        self._next()

    def end(self) -> None:
        """Nothing starts any longer."""
        self._waiting.clear()
        for timer in self._under_way.values():
            timer.cancel()

    def _begin(self, uid: str) -> None:
        loop = asyncio.get_running_loop()
        self._under_way[uid] = loop.call_later(self._patience, self.leave, uid)

    def _next(self) -> None:
        while self._waiting and len(self._under_way) < self._most:
            uid, turn = self._waiting.popitem(last=False)
            self._begin(uid)
            turn()
