"""A local copy of one kind that follows the API: list, watch, and list again where history is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from knet.kube.client import Client
from knet.kube.errors import ApiError, Gone
from knet.kube.resources import Resource
from knet.kube.sync import Change, Key, Sync

Handler = Callable[[Key, Any, Any], None]

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0


class Informer:
    """`store` is the copy; handlers hear (key, old, new), in order, with the store already changed.

    A handler must not raise and should only note what to look at (`WorkQueue.add`).
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        keep: Callable[[dict[str, Any]], Any] = lambda item: item,
        resync: float | None = None,
    ) -> None:
        """`keep` makes what is stored of a raw object, e.g. parses it.

        Every `resync` seconds handlers hear of every object again, old and new being the same: for what
        depends on more than objects. None: never.
        """
        self.resource = resource
        self._client = client
        self._where = {"namespace": namespace, "labels": labels, "fields": fields}
        self._sync = Sync(keep)
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._resync = resync
        self._running = False

    @property
    def store(self) -> Mapping[Key, Any]:
        """What is known, by (namespace, name). Read only."""
        return self._sync.store

    def on_change(self, handler: Handler) -> None:
        """Registers a handler. One that comes late hears first of everything that is there, as new."""
        for key, item in tuple(self.store.items()):
            handler(key, None, item)
        self._handlers.append(handler)

    async def synced(self) -> None:
        """Waits until everything has been listed once."""
        await self._synced.wait()

    async def run(self) -> None:
        """Follows the API until cancelled. Errors are logged and tried again with growing pauses.

        Who runs one that runs already, for several share it, waits.
        """
        if self._running:
            await asyncio.Event().wait()
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                if self._resync is not None:
                    group.create_task(self._again(self._resync))
        finally:
            self._running = False

    async def _again(self, seconds: float) -> None:
        await self._synced.wait()
        while True:
            await asyncio.sleep(seconds)
            for key, item in tuple(self.store.items()):
                self._tell(Change(key, item, item))

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        listed = False
        while True:
            try:
                if not listed:
                    await self._list()
                    listed = True
                pause = _FIRST_PAUSE
                await self._watch()
            except Gone:
                listed = False
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.info("%s: %s; trying again in %.1f s", self.resource.plural, error, pause)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not for secrets
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self) -> None:
        found = await self._client.list(self.resource, page=self._sync.prepare, **self._where)  # type: ignore[arg-type]
        for change in self._sync.listed(found.items, found.resource_version):
            self._tell(change)
        self._synced.set()

    async def _watch(self) -> None:
        events = self._client.watch(
            self.resource,
            resource_version=self._sync.resource_version,
            **self._where,  # type: ignore[arg-type]
        )
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                for change in self._sync.event(event.type, event.object):
                    self._tell(change)

    def _tell(self, change: Change) -> None:
        for handler in self._handlers:
            handler(change.key, change.old, change.new)
