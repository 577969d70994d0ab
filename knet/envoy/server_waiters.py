"""Who waits for gateways to acknowledge what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from knet.envoy.session import Session
from knet.envoy.session_messages import Refusal
from knet.envoy.snapshot import Ref


class Gateway(Protocol):
    """A connected gateway as far as waiting goes."""

    node: str
    session: Session


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a wait ended: `refusals` by (node id, resource) are empty if all gateways acknowledged."""

    gateways: tuple[str, ...]
    refusals: Mapping[tuple[str, Ref], Refusal] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.refusals


@dataclass(eq=False, slots=True)
class _Waiter:
    """`blocker` is one thing that was missing at the last look: while it is, nothing else matters."""

    wanted: Mapping[Ref, str]
    gateways: int
    future: asyncio.Future[Outcome]
    blocker: tuple[Gateway, Ref] | None = None

    def look(self, moved: Iterable[Ref], connected: Sequence[Gateway]) -> None:
        """Ends the wait if it is over. `moved`: those of the wanted resources that were heard of."""
        if self.future.done():
            return
        nodes = tuple(gateway.node for gateway in connected)
        if refusals := self._refusals(moved, connected):
            self.future.set_result(Outcome(nodes, refusals))
        elif len(connected) >= self.gateways and not self._blocked(connected):
            self.future.set_result(Outcome(nodes))

    def _refusals(self, moved: Iterable[Ref], connected: Sequence[Gateway]) -> dict[tuple[str, Ref], Refusal]:
        return {
            (gateway.node, ref): refusal
            for ref in moved
            for gateway in connected
            if (refusal := gateway.session.refusal(ref)) and refusal.version == self.wanted[ref]
        }

    def _blocked(self, connected: Sequence[Gateway]) -> bool:
        if self.blocker and self.blocker[0] in connected and self._lacks(*self.blocker):
            return True
        for gateway in connected:
            for ref in self.wanted:
                if self._lacks(gateway, ref):
                    self.blocker = (gateway, ref)
                    return True
        return False

    def _lacks(self, gateway: Gateway, ref: Ref) -> bool:
        return gateway.session.version(ref) != self.wanted[ref]


class Waiters:
    """Each waiter is looked at again only when something that it waits for moves."""

    def __init__(self) -> None:
        self._all: dict[_Waiter, None] = {}
        # most resources have one waiter, and of those there may be 150,000
        self._by_ref: dict[Ref, _Waiter | dict[_Waiter, None]] = {}

    async def wait(self, wanted: Mapping[Ref, str], gateways: int, connected: Sequence[Gateway]) -> Outcome:
        """Waits for every connected gateway, and at least `gateways`. Cancelled by `cancel`."""
        waiter = _Waiter(wanted, gateways, asyncio.get_running_loop().create_future())
        self._all[waiter] = None
        for ref in wanted:
            self._note(ref, waiter)
        try:
            waiter.look(wanted, connected)
            return await waiter.future
        finally:
            self._drop(waiter)

    def check(self, moved: Sequence[Ref], connected: Sequence[Gateway]) -> None:
        """Some resources were acknowledged, dropped or refused."""
        if not self._all:
            return
        touched: dict[_Waiter, list[Ref]] = {}
        for ref in moved:
            for waiter in self._of(ref):
                touched.setdefault(waiter, []).append(ref)
        for waiter, refs in touched.items():
            waiter.look(refs, connected)

    def check_all(self, connected: Sequence[Gateway]) -> None:
        """A gateway came or went."""
        for waiter in tuple(self._all):
            waiter.look((), connected)

    def cancel(self) -> None:
        """Nobody will answer any more."""
        for waiter in self._all:
            waiter.future.cancel()

    def _note(self, ref: Ref, waiter: _Waiter) -> None:
        found = self._by_ref.setdefault(ref, waiter)
        if isinstance(found, dict):
            found[waiter] = None
        elif found is not waiter:
            self._by_ref[ref] = {found: None, waiter: None}

    def _of(self, ref: Ref) -> Iterable[_Waiter]:
        found = self._by_ref.get(ref, {})
        return found if isinstance(found, dict) else (found,)

    def _drop(self, waiter: _Waiter) -> None:
        self._all.pop(waiter, None)
        for ref in waiter.wanted:
            left = self._by_ref[ref]
            if isinstance(left, dict):
                left.pop(waiter, None)
            if not left or left is waiter:
                del self._by_ref[ref]
