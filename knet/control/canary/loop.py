"""The controller of Canaries: every running one is looked at each second, the others when something changes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pydantic import ValidationError

from knet.control.canary import record
from knet.control.canary.driver import Driver
from knet.control.canary.notices import Notices, news
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
from knet.rollout.state import Phase

_BAD = (Phase.STOPPED, Phase.HELD, Phase.ROLLED_BACK)
_MISSING = 10.0
_log = logging.getLogger(__name__)


class Canaries:
    """Belongs to one event loop. `provider` tells how requests fare, where the Canary does not name its own."""

    def __init__(self, client: Client, provider: Provider | None = None) -> None:
        self._client = client
        self._events = Recorder(client, "canary-controller")
        self._driver = Driver(client, provider, providers=providers())
        self._queue: WorkQueue[Key] = WorkQueue("Canary")
        self._cluster = Cluster(client, (resources.CANARIES, resources.KSERVICES))
        self._by_service = self._cluster.index(resources.CANARIES, _SERVICE)
        self._cluster.on(resources.CANARIES, self._changed)
        self._cluster.on(resources.KSERVICES, self._service_changed)
        self._notices = Notices()

    def _changed(self, key: Key, old: Any, new: Any) -> None:
        if new is None:
            self._driver.forget(key)
            return
        self._queue.add(key)
        if old is not None:
            self._tell(old, new)

    def _service_changed(self, key: Key, *_: Any) -> None:
        for found in self._by_service.get("/".join(key)):
            self._queue.add(found)

    async def run(self) -> None:
        """Follows the API until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._cluster.run())
                group.create_task(self._events.run())
                await self._cluster.synced()
                group.create_task(self._queue.run(self._look, 8))
        finally:
            await self._notices.close()

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

    def _tell(self, old: Object, new: Object) -> None:
        """Events and notifications of what a status says newly, whoever wrote it: this controller or a command."""
        status = new.get("status") or {}
        entries = news(old.get("status") or {}, status)
        if not entries:
            return
        for entry in entries:
            told = f"{entry['canary']} at {entry['weight']} %: {entry['message']}"
            self._events.record(new, WARNING if entry["phase"] in _BAD else NORMAL, entry["reason"], told)
        try:
            self._notices.tell(record.parsed(new), status, entries)
        except ValidationError as error:  # so is its look, which says so in an Event
            _log.debug("Canary %s is not valid: %s", new["metadata"]["name"], error)


def _services(item: Object) -> list[str]:
    service = (item.get("spec") or {}).get("service") or ""
    return [f"{item['metadata']['namespace']}/{service}"]


_SERVICE: Terms = _services
