"""What people say to a rollout, obeyed: the state is written, and what follows from it."""

from __future__ import annotations

import asyncio
from typing import Any

from knet.cli.canary_cluster import canary_of
from knet.control.canary.driver import Driver
from knet.kube.errors import Conflict
from knet.rollout import state
from knet.rollout.commands import Command
from knet.rollout.state import State

_TRIES = 10
_PAUSE_S = 0.05


async def tell(client: Any, service: str, namespace: str, command: Command) -> tuple[State | None, State]:
    """The state before and after. The controller writes too: whoever was slower looks again.

    Raises commands.Refused, KnetError if there is no Canary, and Conflict if it was slower every time.
    """
    commands: list[Command] = [command]
    first: State | None = None
    for left in reversed(range(_TRIES)):
        item = await canary_of(client, service, namespace)
        before = state.load(item.get("status") or {})
        try:
            await Driver(client).look(item, commands)
            after = state.load(item.get("status") or {})
            if after is not None:  # it always is: without a rollout every command is refused
                return first or before, after
        except Conflict:
            if not left:
                raise
            if commands and state.load(item.get("status") or {}) != before:
                commands, first = [], before  # it is obeyed; what follows from it is not written yet
            await asyncio.sleep(_PAUSE_S)
    raise AssertionError("unreachable")
