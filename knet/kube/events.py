"""Events, written behind everybody's back, in order, none lost while the API answers.

The same event again raises the count of the first (the aggregation of client-go, without its windows).
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from knet.kube.client import Client, Object
from knet.kube.errors import AlreadyExists, ApiError, NotFound
from knet.kube.resources import EVENTS

NORMAL, WARNING = "Normal", "Warning"

_REMEMBERED = 4096
_log = logging.getLogger(__name__)


def event(
    about: Object,
    kind: str,
    reason: str,
    message: str,
    *,
    component: str,
    host: str,
    now: float,
    path: str = "",
) -> dict[str, Any]:
    """One Event object. `kind` is `Normal` or `Warning`; its name is the same for the same happening.

    `about` is an object with its apiVersion and kind; `path` is a field of it; `now` is seconds since 1970.
    """
    meta = about["metadata"]
    said = "\0".join((meta["uid"], kind, reason, message, path))
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "uid": meta["uid"],
    }
    if path:
        involved["fieldPath"] = path
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name'][:230]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            "namespace": meta.get("namespace") or "default",
        },
        "involvedObject": involved,
        "type": kind,
        "reason": reason,
        "message": message[:1024],
        "source": {"component": component, **({"host": host} if host else {})},
        "reportingComponent": component,
        "reportingInstance": host,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


class Recorder:
    """Takes events at once and writes them from `run`."""

    def __init__(
        self,
        client: Client,
        component: str,
        host: str = "",
        clock: Callable[[], float] = time.time,
        lag: float = 0.0,
    ) -> None:
        """`lag` is for how many seconds an event waits, so that writing it is not in the way of what it tells."""
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock
        self._lag = lag
        self._queue: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._counts: collections.OrderedDict[tuple[str, str], int] = collections.OrderedDict()

    def record(self, about: Object, kind: str, reason: str, message: str, path: str = "") -> None:
        """Notes that something happened to an object."""
        made = event(
            about, kind, reason, message,
            component=self._component, host=self._host, now=self._clock(), path=path,
        )  # fmt: skip
        self._queue.put_nowait((time.monotonic() + self._lag, made))

    async def run(self) -> None:
        """Writes, for ever. An event that the API refuses is logged and let go, as kubelet does."""
        while True:
            due, found = await self._queue.get()
            await asyncio.sleep(max(due - time.monotonic(), 0))
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
            try:
                await self._client.create(EVENTS, found, namespace)
            except AlreadyExists:  # written by the process before this one
                patch = {"lastTimestamp": found["lastTimestamp"]}
                await self._client.patch(EVENTS, name, patch, namespace)
        self._counts[namespace, name] = count
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
