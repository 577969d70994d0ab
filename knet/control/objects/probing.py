"""KIngresses on their way through the gateways' pods: every address is asked for every host until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from knet.control.probe import Prober, Target
from knet.routing.table import Key

_AT_ONCE = 64


class Probes:
    """One task for each KIngress that is under way. What has answered stays so until it is asked for anew."""

    def __init__(self, answered: Callable[[Key], None]) -> None:
        """`answered` hears of a KIngress whose targets have all answered."""
        self._answered = answered
        self._asked: dict[Key, tuple[Target, ...]] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._prober = Prober(_AT_ONCE)

    def done(self, key: Key, targets: tuple[Target, ...]) -> bool:
        """Whether all of `targets` have answered; begins to ask them if they are others than last time."""
        if self._asked.get(key) != targets:
            self.forget(key)
            self._asked[key] = targets
            if targets:
                task = asyncio.create_task(self._ask(targets))
                self._tasks[key] = task
                task.add_done_callback(lambda ended: self._ended(key, ended))
        return key not in self._tasks

    def forget(self, key: Key) -> None:
        """A KIngress is gone, or is not to be asked for any longer."""
        self._asked.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Ends all asking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, targets: tuple[Target, ...]) -> None:
        await asyncio.gather(*map(self._prober.confirm, targets))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is not task:
            return
        del self._tasks[key]
        if not task.cancelled():
            task.result()  # a fault of ours is raised, not lost
            self._answered(key)
