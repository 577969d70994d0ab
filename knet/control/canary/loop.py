"""The controller of Canaries: every running one is looked at each second, the others when something changes."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import ValidationError

from knet.control.canary import hooks, record
from knet.control.canary.driver import Driver, message
from knet.control.canary.prometheus import providers
from knet.control.canary.statistics import Provider
from knet.kube import resources
from knet.kube.client import Client, Object
from knet.kube.cluster import Cluster, Terms
from knet.kube.errors import NotFound
from knet.kube.events import NORMAL, WARNING, Recorder
from knet.kube.sync import Key
from knet.kube.workqueue import WorkQueue
from knet.rollout.plan import BadPlan
from knet.rollout.state import Phase, State

_BAD = (Phase.STOPPED, Phase.HELD, Phase.ROLLED_BACK)
_MISSING = 10.0


class Canaries:
    """Belongs to one event loop. `provider` tells how requests fare, where the Canary does not name its own."""

    def __init__(self, client: Client, provider: Provider | None = None) -> None:
        self._client = client
        self._events = Recorder(client, "canary-controller")
        self._driver = Driver(client, provider, self._hears, providers=providers())
        self._queue: WorkQueue[Key] = WorkQueue("Canary")
        self._cluster = Cluster(client, (resources.CANARIES, resources.KSERVICES))
        self._by_service = self._cluster.index(resources.CANARIES, _SERVICE)
        self._cluster.on(resources.CANARIES, self._changed)
        self._cluster.on(resources.KSERVICES, self._service_changed)
        self._telling: set[asyncio.Task[None]] = set()

    def _changed(self, key: Key, _old: Any, new: Any) -> None:
        if new is None:
            self._driver.forget(key)
        else:
            self._queue.add(key)

    def _service_changed(self, key: Key, *_: Any) -> None:
        for found in self._by_service.get("/".join(key)):
            self._queue.add(found)

    async def run(self) -> None:
        """Follows the API until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cluster.run())
            group.create_task(self._events.run())
            await self._cluster.synced()
            group.create_task(self._queue.run(self._look, 8))

    async def _look(self, key: Key) -> float | None:
        try:
            item = await self._client.get(resources.CANARIES, key[1], key[0])
        except NotFound:
            return None
        if item["metadata"].get("deletionTimestamp"):
            return None
        try:
            return await self._driver.look(item)
        except (BadPlan, ValidationError) as error:
            self._events.record(item, WARNING, "Invalid", str(error))
            return None
        except NotFound as error:
            self._events.record(item, WARNING, "ServiceNotFound", error.message)
            return _MISSING

    def _hears(self, item: Object, state: State) -> None:
        told = f"{state.canary} at {state.weight} %: {state.message}"
        self._events.record(item, WARNING if state.phase in _BAD else NORMAL, state.reason, told)
        made = record.parsed(item)
        for one in made.spec.notify:
            task = asyncio.create_task(hooks.tell(one.url, message(item, made, state)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


def _services(item: Object) -> list[str]:
    service = (item.get("spec") or {}).get("service") or ""
    return [f"{item['metadata']['namespace']}/{service}"]


_SERVICE: Terms = _services
