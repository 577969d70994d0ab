"""The queue-proxy's limit and queue: exact, first come first served, 503 beyond."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from apps import serve
from queue_proxy import Holding, get, queue_proxy, session

pytestmark = pytest.mark.envoy


@pytest.fixture
async def holding():
    made = Holding()
    async with serve(made):
        yield made
        made.release()


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2c"])
@pytest.mark.parametrize("limit", [1, 5, 10, 100, 101])
async def test_the_limit_is_exact(holding, tmp_path, limit, http2):
    asked = min(8 * limit, 303)
    async with (
        queue_proxy(holding.port, tmp_path, concurrency=limit, http2=http2) as proxy,
        session() as client,
    ):
        asking = [asyncio.create_task(get(client, proxy.url)) for _ in range(asked)]
        await proxy.in_flight(asked)
        await holding.has(limit)
        for left in range(asked, 0, -1):
            holding.release(1)
            await proxy.in_flight(left - 1)
            await holding.has(min(limit, left - 1))
        statuses = Counter(status for status, _ in await asyncio.gather(*asking))
    assert statuses == {200: asked}
    assert holding.most == limit


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2c"])
async def test_what_does_not_fit_into_the_queue_is_refused(holding, tmp_path, http2):
    async with queue_proxy(holding.port, tmp_path, concurrency=2, http2=http2) as proxy, session() as client:
        asking = [asyncio.create_task(get(client, proxy.url)) for _ in range(2)]
        await holding.has(2)
        asking += [asyncio.create_task(get(client, proxy.url)) for _ in range(38)]
        await proxy.in_flight(22)
        holding.release()
        answers = Counter(status for status, _ in await asyncio.gather(*asking))
        refused = {text for status, text in await asyncio.gather(*asking) if status == 503}
    assert answers == {200: 22, 503: 18}
    assert refused == {"pending request queue full\n"}
    assert holding.most == 2


async def test_first_come_first_served(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path, concurrency=1) as proxy, session() as client:
        asking = []
        for number in range(8):
            asking.append(asyncio.create_task(get(client, f"{proxy.url}/{number}")))
            await proxy.in_flight(number + 1)
        holding.release()
        await asyncio.gather(*asking)
    assert [seen.path for seen in holding.seen] == [f"/{number}" for number in range(8)]


async def test_whoever_leaves_the_queue_is_not_served(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path, concurrency=1) as proxy, session() as client:
        first = asyncio.create_task(get(client, f"{proxy.url}/first"))
        await holding.has(1)
        second = asyncio.create_task(get(client, f"{proxy.url}/second"))
        await proxy.in_flight(2)
        second.cancel()
        await proxy.in_flight(1)
        holding.release()
        assert (await first)[0] == 200
        assert (await get(client, f"{proxy.url}/third"))[0] == 200
    assert [seen.path for seen in holding.seen] == ["/first", "/third"]


async def test_without_a_limit_there_is_none(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path) as proxy, session() as client:
        asking = [asyncio.create_task(get(client, proxy.url)) for _ in range(1200)]
        await holding.has(1200)
        holding.release()
        assert {status for status, _ in await asyncio.gather(*asking)} == {200}


async def test_probes_need_no_slot_and_are_not_counted(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path, concurrency=1) as proxy, session() as client:
        held = asyncio.create_task(get(client, proxy.url))
        await holding.has(1)
        probe = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.31"}
        assert await get(client, proxy.url, **probe) == (200, "queue")
        assert (await proxy.count()).came == 1
        holding.release()
        await held
