"""The embedded API under load: 10,000 objects, 200 watches, 500 writes a second, one client.

From the moment at which a write is sent to that at which a watcher has the event. Bar (issue 4): p99 ≤ 50 ms.
Once with 200 watches spread over 20 namespaces, once with 200 watches of all objects, which is 100,000 events a
second. The server is a process of its own, as in `knet up`; memory is its own.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bench.served import served
from bench.xds import Watched
from knet.control.runner import runner
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.resources import CONFIG_MAPS, NAMESPACES

OBJECTS, WATCHES, RATE, SECONDS = 10_000, 200, 500, 20
AT_ONCE = 64
SPREAD = 20
NUMBER = re.compile(rb'"n":"([0-9]+)"')


class Seen:
    """When each event came to each watcher. Reads bytes as they come: parsing is not what is measured."""

    def __init__(self) -> None:
        self.sent: dict[bytes, float] = {}
        self.delays: list[float] = []
        self.moved = asyncio.Event()

    async def follow(self, answer: aiohttp.ClientResponse) -> None:
        rest = b""
        async for chunk in answer.content.iter_any():
            now = time.monotonic()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                found = NUMBER.search(line)
                if found and (started := self.sent.get(found[1])) is not None:
                    self.delays.append(now - started)
            self.moved.set()


@asynccontextmanager
async def watching(client: Client, namespaces: Sequence[str], version: str) -> AsyncIterator[Seen]:
    """WATCHES watches, spread over `namespaces` ("" is all objects)."""
    seen = Seen()
    known = client.connection
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0, ssl=known.ssl or True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        tasks = []
        for i in range(WATCHES):
            where = known.url + CONFIG_MAPS.path(namespaces[i % len(namespaces)] or None)
            answer = await stack.enter_async_context(
                session.get(
                    where,
                    params={"watch": "true", "resourceVersion": version},
                    headers=dict(await known.headers()),
                    timeout=aiohttp.ClientTimeout(total=None),
                )
            )
            assert answer.status == 200, await answer.text()
            tasks.append(asyncio.create_task(seen.follow(answer)))
        yield seen
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run() -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pid = await served(stack, folder)
        client = await stack.enter_async_context(Client(await from_kubeconfig(folder / "kubeconfig")))
        names = [f"n-{i:02d}" for i in range(SPREAD)]
        for name in names:
            await client.create(NAMESPACES, {"metadata": {"name": name}})
        start = time.monotonic()
        limit = asyncio.Semaphore(AT_ONCE)

        async def make(i: int) -> None:
            async with limit:
                meta = {"name": f"m-{i:05d}", "namespace": names[i % len(names)]}
                await client.create(CONFIG_MAPS, {"metadata": meta, "data": {"n": ""}})

        await asyncio.gather(*(make(i) for i in range(OBJECTS)))
        print("| what | measured | bar |\n|---|---|---|")
        print(f"| {OBJECTS} objects made, a second | {OBJECTS / (time.monotonic() - start):.0f} | |")
        start = time.monotonic()
        listed = await client.list(CONFIG_MAPS)
        print(f"| listed in pages of 500 | {time.monotonic() - start:.2f} s | |")
        assert len(listed.items) == OBJECTS
        for rate, spread, each in ((RATE, names, WATCHES // len(names)), (RATE, [""], WATCHES)):
            version = (await client.list(CONFIG_MAPS)).resource_version
            async with watching(client, spread, version) as seen:
                took = await write(client, seen, names, rate, each)
            where = f"each of one of {len(spread)} namespaces" if len(spread) > 1 else "each of everything"
            print(
                f"| {rate} writes a second for {SECONDS} s, {WATCHES} watches {where}: answers "
                f"| p50 {p(took, 0.5)}, p99 {p(took, 0.99)} | |"
            )
            print(
                f"| {len(seen.delays)} events to them | p50 {p(seen.delays, 0.5)}, p99 {p(seen.delays, 0.99)} "
                f"| 50 ms |"
            )
        print(f"| memory of the API | {Watched(pid).rss_mb():.0f} MB | |")


async def write(client: Client, seen: Seen, names: Sequence[str], rate: int, each: int) -> list[float]:
    """`rate` merge patches a second, open loop, each to another object; until all watches have them."""
    took: list[float] = []
    first = time.monotonic_ns()  # no value is written twice: that would be no change

    async def one(i: int) -> None:
        number, at = str(first + i), i * 7 % OBJECTS
        seen.sent[number.encode()] = started = time.monotonic()
        await client.patch(CONFIG_MAPS, f"m-{at:05d}", {"data": {"n": number}}, names[at % len(names)])
        took.append(time.monotonic() - started)

    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for i in range(rate * SECONDS):
            wait = begin + i / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(i))
    async with asyncio.timeout(60):
        while len(seen.delays) < rate * SECONDS * each:
            seen.moved.clear()
            await seen.moved.wait()
    return took


def p(values: list[float], share: float) -> str:
    return f"{sorted(values)[int(len(values) * share)] * 1e3:.1f} ms"


def main() -> None:
    with runner() as running:
        running.run(run())
