"""A work queue on an event loop (rules: `schedule`)."""

from __future__ import annotations

import asyncio
import logging
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
        self._changed = asyncio.Event()

    def add(self, key: K) -> None:
        """Asks for a key to be looked at now."""
        self.add_after(key, 0)

    def add_after(self, key: K, seconds: float) -> None:
        """Asks for a key to be looked at in a while; an earlier wish counts."""
        self._schedule.add(key, asyncio.get_running_loop().time() + seconds)
        self._changed.set()

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
                self._changed.set()

    async def _take(self) -> K:
        loop = asyncio.get_running_loop()
        while True:
            key = self._schedule.take(loop.time())
            if key is not None:
                return key
            self._changed.clear()
            at = self._schedule.next_at()
            timeout = None if at is None else max(at - loop.time(), 0)
            try:
                # not wait_for: until Python 3.12 it could swallow a cancellation
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def quiet(self, seconds: float) -> bool:
        """Whether nothing is worked on, and nothing is due within so many seconds."""
        return self._schedule.quiet(asyncio.get_running_loop().time() + seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on or waits."""
        return self._schedule.idle
