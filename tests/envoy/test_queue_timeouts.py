"""The queue-proxy's clocks: of a request, of its response's start, of its silence; as Knative counts them."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
import websockets.asyncio.client
from aiohttp import web

from apps import Runtime, serve, websocket_echo
from queue_proxy import Holding, get, queue_proxy, session
from receivers import served

pytestmark = pytest.mark.envoy


@pytest.fixture
async def runtime():
    made = Runtime("user")
    async with serve(made):
        yield made


@pytest.fixture
async def dripping():
    """The port of a server that says a word every 0.4 s, five times."""

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(5):
            await asyncio.sleep(0.4)
            await response.write(b"drip")
        return response

    app = web.Application()
    app.router.add_get("/", drip)
    async with served(app) as port:
        yield port


async def timed(asking):
    begun = time.monotonic()
    return await asking, time.monotonic() - begun


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2c"])
@pytest.mark.parametrize("clock", ["timeout", "response_start", "idle"])
async def test_a_request_without_an_answer(runtime, tmp_path, clock, http2):
    clocks = {"timeout": 30} | {clock: 1}
    async with queue_proxy(runtime.port, tmp_path, http2=http2, **clocks) as proxy, session() as client:
        answer, seconds = await timed(get(client, f"{proxy.url}/?initial=4"))
    assert answer == (504, "request timeout")
    assert 0.9 < seconds < 4


@pytest.mark.parametrize("clock", ["timeout", "response_start", "idle"])
async def test_time_in_the_queue_counts(tmp_path, clock):
    holding = Holding()
    clocks = {"timeout": 30} | {clock: 2}
    async with (
        serve(holding),
        queue_proxy(holding.port, tmp_path, concurrency=1, **clocks) as proxy,
        session() as client,
    ):
        held = asyncio.create_task(get(client, proxy.url))
        await holding.has(1)
        answer, seconds = await timed(get(client, proxy.url))
        assert answer == (504, "request timeout")
        assert 1.9 < seconds < 4, "or its clock began when the first one was over"
        assert await held == (504, "request timeout")
        holding.release()


async def test_a_queue_behind_the_response_start_is_as_long_and_says_the_same(tmp_path):
    holding = Holding()
    async with (
        serve(holding),
        queue_proxy(holding.port, tmp_path, concurrency=1, response_start=5) as proxy,
        session() as client,
    ):
        # while the first connection is on its way the request that waits for it takes a place in the queue
        asking = [asyncio.create_task(get(client, proxy.url))]
        await holding.has(1)
        asking += [asyncio.create_task(get(client, proxy.url)) for _ in range(14)]
        await proxy.in_flight(11)
        holding.release()
        answers = await asyncio.gather(*asking)
    assert holding.most == 1
    assert [s for s, _ in answers].count(200) == 11
    assert {text for status, text in answers if status != 200} == {"pending request queue full\n"}


async def test_an_answer_that_goes_on_is_cut(dripping, tmp_path):
    async with queue_proxy(dripping, tmp_path, timeout=1) as proxy, session() as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(client, proxy.url)


@pytest.mark.parametrize("clock", ["response_start", "idle"])
async def test_an_answer_that_goes_on_is_neither_late_nor_silent(dripping, tmp_path, clock):
    async with queue_proxy(dripping, tmp_path, **{"timeout": 30, clock: 1}) as proxy, session() as client:
        assert await get(client, proxy.url) == (200, "drip" * 5)


async def test_an_answer_that_falls_silent_is_cut(runtime, tmp_path):
    async with queue_proxy(runtime.port, tmp_path, idle=1) as proxy, session() as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(client, f"{proxy.url}/?body=4")


async def test_a_websockets_clocks_stop_with_its_101(tmp_path):
    async with (
        websocket_echo("user") as port,
        queue_proxy(port, tmp_path, timeout=1, response_start=1, idle=1, concurrency=3) as proxy,
        websockets.asyncio.client.connect(proxy.url.replace("http", "ws")) as socket,
    ):
        await asyncio.sleep(1.5)  # longer than every clock: what is tested is that nothing happens
        await socket.send("hello")
        assert await socket.recv() == "user:hello"


async def test_a_websocket_without_an_answer(tmp_path):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with server, queue_proxy(port, tmp_path, timeout=1) as proxy, session() as client:
        answer, seconds = await timed(get(client, proxy.url, **upgrade, **{"Sec-WebSocket-Version": "13"}))
    assert answer == (504, "request timeout")
    assert seconds < 10
