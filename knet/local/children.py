"""Keeps processes of ours running beside `knet up`: started together, started again when they end, ended with it.

A child says by a pipe that it is ready (`knet.control.notify`), so that nobody has to ask it in a loop. All carry the
mark by which the reaper ends what a killed `knet up` leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knet import checks
from knet.control.notify import READY_FD
from knet.errors import Diagnostic, KnetError
from knet.local.pods.logs import LogFile
from knet.local.pods.process import Process, spawn

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 0.1, 10.0, 5.0
_GRACE = 3.0


@dataclass(frozen=True, slots=True)
class Child:
    """What to run. `awaited`: it says when it is ready, and `Children.ready` waits for it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    awaited: bool = True


class Children:
    """Processes that run until `stop`.

    The first restart comes at once; one that keeps dying waits longer each time, up to ten seconds. `problem` hears of
    every unexpected end. Logs are in `logs`, a file for each child.
    """

    def __init__(self, logs: Path, problem: Callable[[Diagnostic], None]) -> None:
        self._logs = logs
        self._problem = problem
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, Process] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self.restarts: dict[str, int] = {}
        self._stopping = False

    def start(self, child: Child) -> None:
        """Runs it until `stop`."""
        if child.awaited:
            self._ready[child.name] = asyncio.Event()
        self.restarts[child.name] = 0
        self._tasks.append(asyncio.create_task(self._keep(child), name=f"child {child.name}"))

    def pid(self, name: str) -> int | None:
        """The process that runs as this child now."""
        running = self._running.get(name)
        return running.pid if running and running.returncode is None else None

    async def ready(self, within: float) -> None:
        """Waits until all that say so are ready. Raises KnetError (KNET364) with those that are not in time."""
        waiting = asyncio.gather(*(event.wait() for event in self._ready.values()))
        try:
            async with asyncio.timeout(within):
                await waiting
        except TimeoutError:
            late = ", ".join(name for name, event in self._ready.items() if not event.is_set())
            words = f"{late}: not ready after {within:.0f} s"
            raise KnetError(checks.CHILD_FAILED(words, hint=f"see {self._logs}")) from None

    async def stop(self) -> None:
        """Asks all to end, and ends those that do not within some seconds. What they say meanwhile is in their logs."""
        self._stopping = True
        await asyncio.gather(*(_end(process) for process in self._running.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, child: Child) -> None:
        loop, pause = asyncio.get_running_loop(), 0.0
        while True:
            began = loop.time()
            ended = await self._run(child)
            if self._stopping:
                return
            if loop.time() - began > _HEALTHY_AFTER:
                pause = 0.0
            self._problem(self._found(child, ended, pause))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE) or _FIRST_PAUSE
            self.restarts[child.name] += 1

    async def _run(self, child: Child) -> str:
        """Runs it once; how it ended."""
        read, write = os.pipe()
        environment = {**child.environment, READY_FD: str(write)}
        with contextlib.closing(LogFile(self._log(child))) as log, _heard(read, self._ready.get(child.name)):
            try:
                process = spawn(child.command, log.hear, env=environment, keep=(write,))
            except OSError as error:
                return f"cannot be run: {child.command[0]}: {error.strerror}"
            finally:
                os.close(write)
            self._running[child.name] = process
            code = await process.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"

    def _found(self, child: Child, ended: str, pause: float) -> Diagnostic:
        again = "at once" if not pause else f"in {pause:.1f} s"
        hint = f"it is started again {again}; see {self._log(child)}"
        return checks.CHILD_FAILED(f"{child.name} {ended}", hint=hint)

    def _log(self, child: Child) -> Path:
        return self._logs / f"{child.name}.log"


@contextlib.contextmanager
def _heard(pipe: int, ready: asyncio.Event | None) -> Iterator[None]:
    """While inside, what comes through a pipe sets `ready`."""
    loop = asyncio.get_running_loop()

    def hear() -> None:
        loop.remove_reader(pipe)
        if os.read(pipe, 64) and ready is not None:
            ready.set()

    loop.add_reader(pipe, hear)
    try:
        yield
    finally:
        loop.remove_reader(pipe)
        os.close(pipe)


async def _end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
