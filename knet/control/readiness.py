"""Readiness of KIngresses: acknowledged by every gateway at exactly this version, then one host is probed.

No probe of every host, and no way back without a change: what is ready stays so until what it needs differs. Where
several replicas serve gateways, those of the others acknowledge to them: of these the probe alone tells, which asks
every gateway there is (knet.control.probe).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from knet.backends.api import Readiness, State
from knet.control.probe import Prober, Target
from knet.envoy.server_waiters import Outcome
from knet.envoy.snapshot import Ref
from knet.envoy.status import label
from knet.routing.table import Key

_PROBES_AT_ONCE = 32
_NEVER = 10**9
"""More gateways than there are: whoever waits for so many hears of refusals alone."""


class Acked(Protocol):
    """`Server.acked`."""

    def __call__(self, wanted: Mapping[Ref, str], gateways: int = 1) -> Awaitable[Outcome]: ...


class Confirmations:
    """Watches each KIngress from publication to readiness, one task for each that is under way."""

    def __init__(
        self,
        acked: Acked,
        on_change: Callable[[Key, Readiness], None] | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """`acked` waits for gateways; `on_change` hears every new state. `shared`: gateways may ask other replicas,
        and none may ask us.
        """
        self._acked = acked
        self._least = 0 if shared else 1
        self._on_change = on_change
        self._wanted: dict[Key, int] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._prober = Prober(_PROBES_AT_ONCE)
        self.states: dict[Key, Readiness] = {}

    def watch(self, key: Key, wanted: Mapping[Ref, str], target: Target | None) -> None:
        """A KIngress was published and needs `wanted`; `target` is None where nothing can be probed."""
        # of 15 resources for each of 10,000 KIngresses the hash is enough to tell a change
        mark = hash(frozenset(wanted.items()))
        if self._wanted.get(key) == mark and self.states[key].state is not State.FAILED:
            return
        self._cancel(key)
        self._wanted[key] = mark
        self._set(key, Readiness(State.WAITING, "the gateways have not acknowledged it yet"))
        task = asyncio.create_task(self._confirm(key, wanted, target))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def fail(self, key: Key, reason: str) -> None:
        """A KIngress cannot be published."""
        self._cancel(key)
        self._wanted.pop(key, None)
        self._set(key, Readiness(State.FAILED, reason))

    def forget(self, key: Key) -> None:
        """A KIngress is gone."""
        self._cancel(key)
        self._wanted.pop(key, None)
        self.states.pop(key, None)

    async def settled(self, keys: Iterable[Key] | None = None) -> None:
        """Waits until none of these (None: of all) is under way any longer."""
        while tasks := [self._tasks[k] for k in (self._tasks if keys is None else keys) if k in self._tasks]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Ends all watching."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _confirm(self, key: Key, wanted: Mapping[Ref, str], target: Target | None) -> None:
        outcome = await (self._acked(wanted, self._least) if target is not None else self._acked(wanted))
        if outcome and target is not None:
            self._set(key, Readiness(State.WAITING, f"{target.host} does not answer yet"))
            outcome = await self._probed(wanted, target)
        self._set(key, Readiness(State.READY) if outcome else Readiness(State.FAILED, _words(outcome)))

    async def _probed(self, wanted: Mapping[Ref, str], target: Target) -> Outcome:
        """Asks until the host is served, or a gateway refuses: one that has come since then, for example."""
        if await self._prober.soon(target):
            return Outcome(())  # as most are: tasks for each of thousands would take 40 MB
        probing = asyncio.create_task(self._prober.later(target))
        refusing = asyncio.ensure_future(self._acked(wanted, _NEVER))
        try:
            await asyncio.wait((probing, refusing), return_when=asyncio.FIRST_COMPLETED)
            if not probing.done():
                return refusing.result()
            probing.result()
            return Outcome(())
        finally:
            for task in (probing, refusing):
                task.cancel()
            await asyncio.gather(probing, refusing, return_exceptions=True)

    def _set(self, key: Key, state: Readiness) -> None:
        if self.states.get(key) == state:
            return
        self.states[key] = state
        if self._on_change is not None:
            self._on_change(key, state)

    def refused(self) -> dict[Key, str]:
        """What gateways have refused, in words."""
        return {
            key: found.reason
            for key, found in self.states.items()
            if found.state is State.FAILED and key in self._wanted  # `fail` forgets what is wanted
        }

    def _cancel(self, key: Key) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.result()  # a fault of ours is raised, not lost


def _words(outcome: Outcome) -> str:
    return "; ".join(
        f"gateway {n} refused {label(ref)}: {found.message}" for (n, ref), found in outcome.refusals.items()
    )
