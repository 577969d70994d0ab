"""Which pods of a revision take requests: those the API calls ready, and those that have answered us themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from knet.dataplane.activator_backends import Backends
from knet.dataplane.activator_probe import until_ready


class Pods:
    """The pods of one revision. `changed` hears when `healthy` differs; `phase` of "start" and "ready"; `certificates`:
    see `until_ready`.
    """

    def __init__(
        self, changed: Callable[[], None], phase: Callable[[str], None], certificates: str = ""
    ) -> None:
        self._certificates = certificates
        self._changed = changed
        self._phase = phase
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._backends = Backends()
        self._suspects: set[str] = set()
        self.healthy: set[str] = set()

    @property
    def protocol(self) -> str:
        return self._backends.protocol

    @property
    def known(self) -> bool:
        """Whether any pod has an address."""
        return bool(self._backends.ready or self._backends.other)

    def update(self, found: Backends) -> None:
        """What the API says now."""
        fell = set(self._backends.ready) & set(found.other)  # was ready and is not: only its own word counts
        self._backends = found
        every = {*found.ready, *found.other}
        for address in set(self._probes) - every:
            self._probes.pop(address).cancel()
        self._suspects &= every
        self.healthy = (self.healthy & every) - fell
        for address in found.ready:
            if address not in self._suspects:
                self._end_probe(address)
                self.healthy.add(address)
        for address in every - self.healthy:
            self._probe(address)
        self._changed()

    def suspect(self, address: str) -> None:
        """No connection to a pod came about: it takes no request until it has answered us."""
        if address in (*self._backends.ready, *self._backends.other):
            self._suspects.add(address)
            self.healthy.discard(address)
            self._probe(address)
            self._changed()

    def close(self) -> None:
        for probe in self._probes.values():
            probe.cancel()
        self._probes.clear()

    def _probe(self, address: str) -> None:
        if address not in self._probes:
            task = asyncio.create_task(
                until_ready(address, partial(self._phase, "start"), self._certificates)
            )
            self._probes[address] = task
            task.add_done_callback(partial(self._answered, address))

    def _end_probe(self, address: str) -> None:
        if probe := self._probes.pop(address, None):
            probe.cancel()

    def _answered(self, address: str, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._probes.get(address) is not task:
            return
        del self._probes[address]
        task.result()
        self._suspects.discard(address)
        self.healthy.add(address)
        self._phase("ready")
        self._changed()
