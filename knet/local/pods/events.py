"""Events about pods, written behind everybody's back, in order, none lost while the API answers.

The same event again raises the count of the first (the aggregation of client-go, without its windows).
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import aiohttp

from knet.kube.client import Client
from knet.kube.errors import ApiError, NotFound
from knet.kube.resources import EVENTS
from knet.local.pods.spec import Object, stamp

_REMEMBERED = 4096
_log = logging.getLogger(__name__)


def event(
    pod: Object, kind: str, reason: str, message: str, *, node: str, now: float, container: str = ""
) -> dict[str, Any]:
    """One Event object. `kind` is `Normal` or `Warning`; its name is the same for the same happening."""
    meta = pod["metadata"]
    said = "\0".join((meta["uid"], kind, reason, message, container))
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    if container:
        about["fieldPath"] = f"spec.containers{{{container}}}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name'][:230]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            "namespace": meta["namespace"],
        },
        "involvedObject": about,
        "type": kind,
        "reason": reason,
        "message": message[:1024],
        "source": {"component": "knet", "host": node},
        "reportingComponent": "knet",
        "reportingInstance": node,
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    }


class Recorder:
    """Takes events at once and writes them from `run`."""

    def __init__(self, client: Client, node: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._node = node
        self._clock = clock
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._counts: collections.OrderedDict[tuple[str, str], int] = collections.OrderedDict()

    def record(self, pod: Object, kind: str, reason: str, message: str, container: str = "") -> None:
        """Notes that something happened to a pod."""
        self._queue.put_nowait(
            event(pod, kind, reason, message, node=self._node, now=self._clock(), container=container)
        )

    async def run(self) -> None:
        """Writes, for ever. An event that the API refuses is logged and let go, as kubelet does."""
        while True:
            found = await self._queue.get()
            try:
                await self._write(found)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _log.warning("event %s of %s: %s", found["reason"], found["metadata"]["name"], error)

    async def _write(self, found: dict[str, Any]) -> None:
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        count = self._counts.pop((namespace, name), 0) + 1
        if count > 1:
            patch = {"count": count, "lastTimestamp": found["lastTimestamp"]}
            try:
                await self._client.patch(EVENTS, name, patch, namespace)
            except NotFound:  # it expired
                count = 1
        if count == 1:
            await self._client.create(EVENTS, found, namespace)
        self._counts[namespace, name] = count
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
