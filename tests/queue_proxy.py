"""A queue-proxy with a real Envoy in front of a test's own backend, and backends that hold requests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from apps import Runtime, Seen
from knet.dataplane.queue import QueueProxy
from knet.dataplane.queue_settings import Settings
from knet.dataplane.queue_stats import Count
from knet.envoy.process_find import find_envoy
from ports import free_ports

PATIENCE = 10.0


class Holding(Runtime):
    """Holds every request until `let` gives it a permit; `most` were there at once."""

    def __init__(self) -> None:
        super().__init__("holding")
        self.let = asyncio.Semaphore(0)
        self.now = self.most = 0
        self.came = asyncio.Condition()

    async def answer(self, seen: Seen) -> tuple[int, float, float, bytes]:
        self.now += 1
        self.most = max(self.most, self.now)
        async with self.came:
            self.came.notify_all()
        try:
            await self.let.acquire()
        finally:
            self.now -= 1
        return await super().answer(seen)

    async def has(self, number: int) -> None:
        """Waits until so many requests are there."""
        async with asyncio.timeout(PATIENCE), self.came:
            await self.came.wait_for(lambda: self.now >= number)

    def release(self, number: int = 100_000) -> None:
        for _ in range(number):
            self.let.release()


class Proxy(QueueProxy):
    """One under test."""

    settings: Settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.admin_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.metrics_port}/metrics"

    @property
    def envoy_pid(self) -> int:
        assert self._envoy.pid is not None
        return self._envoy.pid

    async def count(self) -> Count:
        return (await self._sample()).all

    async def in_flight(self, number: int) -> None:
        """Waits until Envoy has so many requests: held by the container, and queued."""
        async with asyncio.timeout(PATIENCE):
            while (await self.count()).in_flight != number:  # noqa: ASYNC110 - Envoy tells nobody
                await asyncio.sleep(0.005)

    async def ready(self) -> None:
        await self._envoy.ready()


def settings(user_port: int, **changes: Any) -> Settings:
    """Those of one on ports of its own."""
    port, admin, metrics, user_metrics = free_ports(4)
    return Settings(
        namespace="default",
        configuration="hello",
        revision="hello-00001",
        pod="pod-1",
        address="127.0.0.1",
        port=port,
        user_port=user_port,
        admin_port=admin,
        metrics_port=metrics,
        user_metrics_port=user_metrics,
        **{"quiet": 0.0, **changes},
    )


@asynccontextmanager
async def queue_proxy(user_port: int, directory: Path, **changes: Any) -> AsyncIterator[Proxy]:
    """Runs one on ports of its own, for as long as the context lasts; it ends by a drain."""
    wanted = settings(user_port, **changes)
    proxy = Proxy(wanted, find_envoy(os.environ), directory)
    proxy.settings = wanted
    running = asyncio.create_task(proxy.run())
    await asyncio.wait({running, asyncio.create_task(proxy.ready())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield proxy
    finally:
        proxy.stop()
        await asyncio.wait_for(running, PATIENCE)


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without limits of its own."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as made:
        yield made


async def get(client: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with client.get(url, headers=headers) as response:
        return response.status, await response.text()
