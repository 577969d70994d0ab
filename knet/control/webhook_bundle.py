"""Webhook configurations whose rules somebody else wrote: we fill in whom the API server is to trust, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Iterable
from typing import Any

from knet.kube.client import Client, Object
from knet.kube.errors import ApiError, NotFound
from knet.kube.informer import Informer
from knet.kube.resources import Resource
from knet.kube.workqueue import WorkQueue

_log = logging.getLogger(__name__)

Name = tuple[Resource, str]


class Bundles:
    """Keeps `caBundle` of some configurations as `bundle` says. Belongs to one event loop."""

    def __init__(self, client: Client, names: Iterable[Name], bundle: Callable[[], bytes]) -> None:
        """`names` are (kind, name); `bundle` gives the PEM of the authority as it is now."""
        self._client = client
        self._bundle = bundle
        self._queue: WorkQueue[Name] = WorkQueue("webhook configuration")
        self._informers = {at: Informer(client, at[0], fields=f"metadata.name={at[1]}") for at in names}
        for at, informer in self._informers.items():
            informer.on_change(lambda _key, _old, _new, at=at: self._queue.add(at))  # type: ignore[misc]

    def again(self) -> None:
        """The authority may be another: all are looked at."""
        for at in self._informers:
            self._queue.add(at)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())
            group.create_task(self._queue.run(self._fill, workers=1))

    async def _fill(self, at: Name) -> float | None:
        found = next(iter(self._informers[at].store.values()), None)
        patch = patch_of(found, self._bundle()) if found else []
        if patch:
            try:
                await self._client.patch(at[0], at[1], patch, kind="json")
            except NotFound:
                return None
            except ApiError as error:
                _log.warning("%s %s: %s", at[0].kind, at[1], error)
                raise
        return None


def patch_of(found: Object, bundle: bytes) -> list[dict[str, Any]]:
    """The JSON patch that makes every webhook of a configuration trust `bundle`; empty where all do. Pure."""
    text = base64.b64encode(bundle).decode()
    version = found["metadata"].get("resourceVersion")
    changes = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": text}
        for index, hook in enumerate(found.get("webhooks") or ())
        if (hook.get("clientConfig") or {}).get("caBundle") != text
    ]
    guard = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    return [guard, *changes] if changes else []
