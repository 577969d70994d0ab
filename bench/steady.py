"""Load on a Service through the gateway at a steady rate, and what became of each request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp


@dataclass
class Load:
    """`answers` counts (version, status); a request that got no answer is ("", 0). `failed` says why, in words."""

    port: int
    host: str
    headers: dict[str, str] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    address: str = "127.0.0.1"

    async def one(self, session: aiohttp.ClientSession) -> str:
        """One request; the version that answered."""
        begun = time.monotonic()
        try:
            async with session.get(
                f"http://{self.address}:{self.port}/", headers={"host": self.host, **self.headers}
            ) as got:
                body = await got.text()
                version = got.headers.get("x-version", "")
                self.answers[version, got.status] += 1
                if not version:
                    self.failed.append(f"{got.status} {body[:100]}")
                return version
        except (aiohttp.ClientError, TimeoutError) as error:
            self.answers["", 0] += 1
            self.failed.append(repr(error))
            return ""
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    def of(self, version: str) -> int:
        """How many requests a version has answered."""
        return sum(n for (name, _), n in self.answers.items() if name == version)

    def lost(self) -> int:
        """Requests that no program has answered: the way there failed them."""
        return sum(n for (version, _), n in self.answers.items() if not version)


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64), timeout=aiohttp.ClientTimeout(total=30)
    )


@asynccontextmanager
async def steady(load: Load, rate: float) -> AsyncIterator[Load]:
    """Sends so many requests a second for as long as the context lasts; waits for those under way at its end."""
    under_way: set[asyncio.Task[str]] = set()

    async def send(client: aiohttp.ClientSession) -> None:
        loop, sent = asyncio.get_running_loop(), 0
        begun = loop.time()
        while True:
            due = int((loop.time() - begun) * rate)
            for _ in range(min(due - sent, 50)):
                task = asyncio.create_task(load.one(client))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            sent = max(sent, due)
            await asyncio.sleep(max(0.005, begun + (sent + 1) / rate - loop.time()))

    async with session() as client:
        sending = asyncio.create_task(send(client))
        try:
            yield load
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if under_way:
                await asyncio.wait(under_way)


async def exactly(load: Load, count: int, workers: int = 16) -> Load:
    """Sends so many requests, a few at a time."""
    left = iter(range(count))

    async def work(client: aiohttp.ClientSession) -> None:
        for _ in left:
            await load.one(client)

    async with session() as client:
        await asyncio.gather(*(work(client) for _ in range(workers)))
    return load
