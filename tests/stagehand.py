"""Plays the parts of a cluster that an API server alone has not: Deployments come up, namespaces end."""

from __future__ import annotations

import asyncio
import contextlib

from knet.kube.errors import ApiError, NotFound
from knet.kube.informer import Informer
from knet.kube.resources import CONFIG_MAPS, DEPLOYMENTS, LEASES, NAMESPACES, SECRETS
from knet.kube.workqueue import WorkQueue


class Stagehand:
    """`works`: what makes a Deployment come up; those that it refuses stay as they are."""

    def __init__(self, client, works=lambda item: True):
        self._client = client
        self._works = works
        self.turn = asyncio.Lock()
        """Held while something is asked of the API: whoever ends this waits for it, or its connection is left behind."""
        self._queue = WorkQueue("stage")
        self._deployments = Informer(client, DEPLOYMENTS)
        self._namespaces = Informer(client, NAMESPACES)
        self._deployments.on_change(lambda key, old, new: self._queue.add((DEPLOYMENTS, key)))
        self._namespaces.on_change(lambda key, old, new: self._queue.add((NAMESPACES, key)))

    async def run(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deployments.run())
            group.create_task(self._namespaces.run())
            group.create_task(self._queue.run(self._play))

    def again(self):
        """Looks at every Deployment once more: `works` may say something else by now."""
        for key in self._deployments.store:
            self._queue.add((DEPLOYMENTS, key))

    async def _play(self, at):
        kind, key = at
        async with self.turn:
            if kind == DEPLOYMENTS:
                item = self._deployments.store.get(key)
                if item is not None and self._works(item):
                    await self._come_up(item)
            else:
                item = self._namespaces.store.get(key)
                if item is not None and item["metadata"].get("deletionTimestamp"):
                    await self._end(item)

    async def _come_up(self, item):
        n = item["spec"].get("replicas", 1)
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": n,
            "updatedReplicas": n,
            "availableReplicas": n,
            "readyReplicas": n,
        }
        now = {k: v for k, v in (item.get("status") or {}).items() if k in status}
        if now != {k: v for k, v in status.items() if v}:
            with contextlib.suppress(NotFound):
                await self._client.replace(DEPLOYMENTS, {**item, "status": status}, subresource="status")

    async def _end(self, item):
        name = item["metadata"]["name"]
        for kind in (CONFIG_MAPS, SECRETS, LEASES):
            await self._client.delete_collection(kind, name)
        with contextlib.suppress(NotFound):
            body = {**item, "spec": {**item["spec"], "finalizers": []}}
            await self._client.replace(NAMESPACES, body, subresource="finalize")


@contextlib.asynccontextmanager
async def stagehand(client, works=lambda item: True):
    """One at work for as long as the context lasts."""
    made = Stagehand(client, works)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        async with made.turn:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ApiError):
                await task
