"""A work queue on an event loop (rules: `schedule`)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from knet.kube.errors import Conflict
from knet.kube.schedule import Schedule

K = TypeVar("K", bound=Hashable)

_log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys in, one handler for each at a time. Belongs to one event loop."""

    def __init__(self, name: str, *, first: float = 0.01, longest: float = 60.0) -> None:
        """`first` and `longest` are the pauses after a failure, in seconds; `name` stands in logs."""
        self._name = name
        self._schedule: Schedule[K] = Schedule(first, longest)
        self._idle: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timed = 0.0

    def add(self, key: K) -> None:
        """Asks for a key to be looked at now."""
        self.add_after(key, 0)

    def add_after(self, key: K, seconds: float) -> None:
        """Asks for a key to be looked at in a while; an earlier wish counts."""
        self._schedule.add(key, asyncio.get_running_loop().time() + seconds)
        self._call()

    async def run(self, handle: Callable[[K], Awaitable[float | None]], workers: int = 4) -> None:
        """Works until cancelled. `handle` gives the seconds after which to look again, or None.

        What it raises is logged, and the key comes again after a growing pause.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(handle))

    async def _work(self, handle: Callable[[K], Awaitable[float | None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key = await self._take()
            again, failed = None, False
            try:
                again = await handle(key)
            except Conflict:
                failed = True  # somebody was quicker: what they wrote will be seen, and the key comes again
            except Exception as error:  # noqa: BLE001 - one bad object must not stop the others
                failed = True
                _log.warning("%s %s: %s", self._name, key, error, exc_info=_log.isEnabledFor(logging.DEBUG))
            finally:
                self._schedule.done(key, loop.time(), failed=failed, again=again)
                self._call()

    async def _take(self) -> K:
        loop = asyncio.get_running_loop()
        while (key := self._schedule.take(loop.time())) is None:
            called = loop.create_future()
            self._idle.append(called)
            self._call()
            try:
                await called
            except asyncio.CancelledError:
                if called.done() and not called.cancelled():
                    self._call()  # it was called for a key that is another's now
                raise
        self._call()  # there may be more
        return key

    def _call(self) -> None:
        """Calls one worker if a key is due, or sees to it that one is called when the next is."""
        loop = asyncio.get_running_loop()
        at = self._schedule.next_at()
        if self._timer is not None and at != self._timed:
            self._timer.cancel()
            self._timer = None
        if at is None:
            return
        if at > loop.time():
            if self._timer is None:
                self._timer, self._timed = loop.call_at(at, self._due), at
            return
        while self._idle:
            called = self._idle.popleft()
            if not called.done():
                called.set_result(None)
                return

    def _due(self) -> None:
        self._timer = None
        self._call()

    def quiet(self, seconds: float) -> bool:
        """Whether nothing is worked on, and nothing is due within so many seconds."""
        return self._schedule.quiet(asyncio.get_running_loop().time() + seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on or waits."""
        return self._schedule.idle
