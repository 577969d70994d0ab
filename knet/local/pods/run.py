"""One run of one container: its process, log, hooks and probes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from knet.local.pods.handlers import Target
from knet.local.pods.kit import Kit
from knet.local.pods.launch import Launch
from knet.local.pods.logs import LogFile
from knet.local.pods.network import Place
from knet.local.pods.probing import Course, Rules, after, first
from knet.local.pods.spec import Container, Object

_AFTER_HOOK = 2.0
"""Seconds that a process has after SIGTERM even if its preStop hook took all of the grace (kubelet)."""


class Owner(Protocol):
    """Whom a run tells what happens: its pod's worker."""

    pod: Object

    @property
    def kit(self) -> Kit: ...
    def note(self, name: str, run: str, **changes: Any) -> None: ...
    def exited(self, name: str, returncode: int) -> None: ...


class Run:
    """Starts the process at once. Raises NotStarted."""

    def __init__(
        self, owner: Owner, of: Container, launch: Launch, place: Place, *, number: str, log: Path
    ) -> None:
        self._owner = owner
        self._of = of
        self._number = number
        self.log = LogFile(log)
        try:
            self._process = launch.start(self.log.hear)
        except BaseException:
            self.log.close()
            raise
        self._target = Target(of, place.sandbox.ip, dict(place.sandbox.ports), launch.execute)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping: asyncio.Task[Any] | None = None
        self._deadline = 0.0

    def watch(self) -> None:
        """Follows the process, and probes it."""
        self._task(self._until_exit())
        self._task(self._live())

    def stop(self, grace: float, reason: str) -> None:
        """Ends it within `grace` seconds: preStop, SIGTERM, SIGKILL. A later call may only shorten that."""
        deadline = asyncio.get_running_loop().time() + grace
        again = self._stopping is not None
        if again and deadline >= self._deadline - 0.5:
            return
        if not again:
            words = f"Stopping container {self._of.name}: {reason}"
            self._owner.kit.recorder.record(self._owner.pod, "Normal", "Killing", words, self._of.name)
        elif self._stopping is not None:
            self._stopping.cancel()
        self._deadline = deadline
        self._stopping = self._task(self._stop(grace, hooks=not again))

    async def end(self, seconds: float) -> None:
        """Ends it within `seconds`, without hooks, and waits for that."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._process.signal(signal.SIGTERM)
        await self._gone(seconds)
        self.log.close()

    async def _until_exit(self) -> None:
        code = await self._process.wait()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self.log.close()
        self._owner.exited(self._of.name, code)

    async def _stop(self, grace: float, *, hooks: bool) -> None:
        loop = asyncio.get_running_loop()
        least = 0.0
        hook = (self._of.spec.get("lifecycle") or {}).get("preStop")
        if hook and hooks and grace > 0:
            words = await self._owner.kit.handlers.hook(hook, self._target, grace)
            if words:
                self._tell("FailedPreStopHook", f"PreStopHook failed: {words}")
            least = _AFTER_HOOK
        if grace > 0:
            self._process.signal(signal.SIGTERM)
        await self._gone(max(self._deadline - loop.time(), least))

    async def _gone(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _live(self) -> None:
        """postStart, then the startup probe, then the other two for as long as it runs."""
        hook = (self._of.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            words = await self._owner.kit.handlers.hook(hook, self._target, 3600)
            if words:
                self._tell("FailedPostStartHook", f"PostStartHook failed: {words}")
                self._note(unhealthy=f"postStart hook failed: {words}")
                return
        if startup := self._of.probe("startup"):
            if not await self._probe(Rules.of("startup", startup), startup):
                return
            self._note(up=True, ready=self._of.probe("readiness") is None)
        for kind in ("readiness", "liveness"):
            if probe := self._of.probe(kind):
                self._task(self._probe(Rules.of(kind, probe), probe))

    async def _probe(self, rules: Rules, probe: Object) -> bool:
        """Probes until a startup probe has passed (True), or the container has to go (False)."""
        loop = asyncio.get_running_loop()
        begun, course = loop.time(), Course()
        pause = first(rules)
        while True:
            await asyncio.sleep(pause)
            finding = await self._owner.kit.handlers.probe(probe, self._target, rules.timeout)
            before = course
            course, pause = after(rules, course, finding.passed, loop.time() - begun)
            if not finding.passed and course.counted != before.counted:
                self._tell("Unhealthy", f"{rules.kind.capitalize()} probe failed: {finding.words}")
            if course.passing == before.passing:
                continue
            if rules.kind == "readiness":
                self._note(ready=bool(course.passing))
            elif course.passing is False:
                words = f"Container {self._of.name} failed {rules.kind} probe, will be restarted"
                self._note(unhealthy=words, kill_grace=probe.get("terminationGracePeriodSeconds"))
                return False
            elif rules.kind == "startup":
                return True

    def _note(self, **changes: Any) -> None:
        self._owner.note(self._of.name, self._number, **changes)

    def _tell(self, reason: str, message: str) -> None:
        self._owner.kit.recorder.record(self._owner.pod, "Warning", reason, message, self._of.name)

    def _task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
