"""What controllers share: a client, and one informer for each kind that any of them reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from knet.kube import resources
from knet.kube.client import Client
from knet.kube.informer import Informer
from knet.kube.resources import Resource
from knet.local.controllers.objects import Object

Key = tuple[str, str]

KINDS = (
    resources.NAMESPACES,
    resources.PODS,
    resources.SERVICES,
    resources.ENDPOINTS,
    resources.ENDPOINT_SLICES,
    resources.REPLICA_SETS,
    resources.DEPLOYMENTS,
)


class Cluster:
    """Register handlers with `on`, then `run`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._informers = {kind: Informer(client, kind) for kind in KINDS}

    def store(self, kind: Resource) -> Mapping[Key, Object]:
        """All objects of a kind, by key."""
        return self._informers[kind].store

    def within(self, kind: Resource, namespace: str) -> list[Object]:
        """The objects of a kind in one namespace."""
        return [item for key, item in self.store(kind).items() if key[0] == namespace]

    def on(self, kind: Resource, handler: Callable[[Key, Any, Any], None]) -> None:
        """Has every change of a kind told."""
        self._informers[kind].on_change(handler)

    async def run(self) -> None:
        """Follows the API until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Waits until everything has been listed once."""
        for informer in self._informers.values():
            await informer.synced()
