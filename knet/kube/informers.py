"""One informer of a kind for all controllers of a process that read it: one watch, one copy, each event decoded once."""

from __future__ import annotations

import asyncio
from typing import Any

from knet.kube.client import Client
from knet.kube.informer import Informer
from knet.kube.resources import Resource


class Informers:
    """Give it to all who may share, and `run` it beside them. Nobody changes what its informers keep."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._running = False
        self._fault: asyncio.Future[None] | None = None

    def get(self, resource: Resource) -> Informer:
        """The informer of a kind, of all namespaces. What it keeps does not say who owns which field."""
        found = self._informers.get(resource)
        if found is None:
            found = self._informers[resource] = Informer(self._client, resource, keep=lean)
            if self._running:
                self._follow(resource, found)
        return found

    def drop(self, resource: Resource) -> None:
        """The kind is gone."""
        self._informers.pop(resource, None)
        if task := self._tasks.pop(resource, None):
            task.cancel()

    async def run(self) -> None:
        """Follows every kind that anybody asks for, until cancelled."""
        self._running = True
        self._fault = asyncio.get_running_loop().create_future()
        for resource, informer in self._informers.items():
            self._follow(resource, informer)
        try:
            await self._fault
        finally:
            self._running = False
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _follow(self, resource: Resource, informer: Informer) -> None:
        task = self._tasks[resource] = asyncio.create_task(informer.run())
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and self._fault and not self._fault.done():
            self._fault.set_exception(error)


def lean(item: dict[str, Any]) -> dict[str, Any]:
    """An object without who owns which field, which is half of a pod and of no use to a controller."""
    item.get("metadata", {}).pop("managedFields", None)
    return item
