"""What the queue-proxy carries, and what it does to it: protocols, headers, errors."""

from __future__ import annotations

import asyncio
import hashlib
import json

import grpc.aio
import httpx
import pytest
import websockets.asyncio.client
from aiohttp import web

from apps import GRPC_METHOD, Runtime, answering_with, grpc_echo, serve, websocket_echo
from ports import free_ports
from queue_proxy import get, queue_proxy, session

pytestmark = pytest.mark.envoy
MEGABYTES = 40


@pytest.fixture
async def runtime():
    made = Runtime("user")
    async with serve(made):
        yield made


async def seen(proxy, **headers):
    """What the user's container saw of a request."""
    async with session() as client:
        status, text = await get(client, proxy.url, **headers)
    assert status == 200
    return json.loads(text)


@pytest.mark.parametrize(("http2", "protocol"), [(False, "HTTP/1.1"), (True, "HTTP/2.0")])
@pytest.mark.parametrize("client_http2", [False, True])
async def test_both_protocols_come_in_and_the_ports_own_goes_out(
    runtime, tmp_path, http2, protocol, client_http2
):
    async with (
        queue_proxy(runtime.port, tmp_path, http2=http2) as proxy,
        httpx.AsyncClient(http1=not client_http2, http2=client_http2) as client,
    ):
        answer = await client.get(proxy.url)
    assert answer.http_version == ("HTTP/2" if client_http2 else "HTTP/1.1")
    assert answer.json()["proto"] == protocol


async def test_headers(runtime, tmp_path):
    async with queue_proxy(runtime.port, tmp_path) as proxy:
        found = await seen(
            proxy,
            **{
                "Knative-Serving-Revision": "r",
                "Knative-Serving-Namespace": "n",
                "K-Proxy-Request": "activator",
                "K-Original-Host": "first.example.com",
                "X-Forwarded-For": "1.2.3.4, ::1",
                "X-Forwarded-Host": "outer.example.com",
                "X-Forwarded-Proto": "https",
                "X-Envoy-Max-Retries": "9",
                "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
            },
        )
    headers = {
        n: v for n, v in found["headers"].items() if n not in {"accept", "accept-encoding", "user-agent"}
    }
    assert headers == {
        "host": "first.example.com",
        "k-proxy-request": "activator",
        "x-forwarded-for": "1.2.3.4, ::1,127.0.0.1",
        "x-forwarded-host": "outer.example.com",
        "x-forwarded-proto": "https",
        "forwarded": 'for=1.2.3.4;host=outer.example.com;proto=https, for="[::1]"',
    }


async def test_forwarded_is_left_where_it_is(runtime, tmp_path):
    async with queue_proxy(runtime.port, tmp_path) as proxy:
        found = await seen(proxy, **{"Forwarded": "for=9.9.9.9", "X-Forwarded-For": "1.2.3.4"})
    assert found["headers"]["forwarded"] == "for=9.9.9.9"


async def test_forwarded_that_says_nothing_is_made(runtime, tmp_path):
    async with queue_proxy(runtime.port, tmp_path) as proxy:
        found = await seen(
            proxy, **{"Forwarded": " ", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}
        )
    assert found["headers"]["forwarded"] == "for=1.2.3.4;proto=https"


async def test_answers_say_nothing_of_envoy(runtime, tmp_path):
    async with (
        queue_proxy(runtime.port, tmp_path) as proxy,
        session() as client,
        client.get(proxy.url) as answer,
    ):
        assert {name.lower() for name in answer.headers} == {"content-length", "content-type", "date"}


async def test_headers_as_large_as_go_takes_them(runtime, tmp_path):
    async with queue_proxy(runtime.port, tmp_path) as proxy, session() as client:
        many = {f"X-Many-{n}": "v" * 500 for n in range(300)}
        status, text = await get(client, proxy.url, **many)
        assert status == 200
        assert len(json.loads(text)["headers"]) > 300


async def test_answers_with_headers_as_large(tmp_path):
    async with (
        answering_with(110, 1000) as port,
        queue_proxy(port, tmp_path) as proxy,
        session() as client,
        client.get(proxy.url) as answer,
    ):
        assert (answer.status, len([n for n in answer.headers if n.startswith("x-many")])) == (200, 110)


async def test_grpc_with_streams_both_ways(tmp_path):
    async with (
        grpc_echo("user") as port,
        queue_proxy(port, tmp_path, http2=True, concurrency=2) as proxy,
        grpc.aio.insecure_channel(proxy.url.removeprefix("http://")) as channel,
    ):
        call = channel.stream_stream(GRPC_METHOD)()
        for number in range(20):
            await call.write(str(number).encode())
            assert await call.read() == f"user:{number}".encode()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK, "the status is in the trailers"


async def test_websockets_and_their_slots(tmp_path):
    async with websocket_echo("user") as port, queue_proxy(port, tmp_path, concurrency=2) as proxy:
        url = proxy.url.replace("http", "ws")
        connect = websockets.asyncio.client.connect
        async with connect(url) as first, connect(url) as second:
            for socket in (first, second):
                await socket.send("hello")
                assert await socket.recv() == "user:hello"
            third = asyncio.create_task(connect(url).__aenter__())
            await proxy.in_flight(3)
            await second.close()
            socket = await asyncio.wait_for(third, 30)
            await socket.send("late")
            assert await socket.recv() == "user:late"
            await socket.close()


async def test_trailers_of_http1(tmp_path):
    answer = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"

    async def say(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, queue_proxy(port, tmp_path) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
        text = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n"), 30)
        trailers = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        writer.close()
    assert b"2\r\nhi" in text
    assert trailers.lower() == b"x-sum: 7\r\n\r\n"


async def test_large_bodies_stream_both_ways(tmp_path):
    size = MEGABYTES * 2**20

    async def echo(request):
        response = web.StreamResponse()
        await response.prepare(request)
        async for part in request.content.iter_any():
            await response.write(part)
        return response

    app = web.Application(client_max_size=0)
    app.router.add_post("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()

    async def parts():
        for number in range(size // 2**16):
            yield number.to_bytes(4) * 2**14

    port = site._server.sockets[0].getsockname()[1]
    sent, got = hashlib.sha256(), hashlib.sha256()
    async for part in parts():
        sent.update(part)
    async with (
        queue_proxy(port, tmp_path) as proxy,
        session() as client,
        client.post(proxy.url, data=parts()) as answer,
    ):
        async for part in answer.content.iter_any():
            got.update(part)
    await runner.cleanup()
    assert got.digest() == sent.digest()


async def test_a_container_that_is_not_there_is_a_bad_gateway(tmp_path):
    (port,) = free_ports(1)
    async with queue_proxy(port, tmp_path) as proxy, session() as client:
        assert (await get(client, proxy.url))[0] == 502


async def test_a_connection_that_breaks_is_a_bad_gateway_and_not_tried_again(tmp_path):
    asked = 0

    async def hang_up(reader, writer):
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, queue_proxy(port, tmp_path) as proxy, session() as client:
        assert (await get(client, proxy.url))[0] == 502
    assert asked == 1


async def test_the_containers_own_errors_pass(tmp_path):
    runtime = Runtime("user", fail_first=1)
    async with serve(runtime), queue_proxy(runtime.port, tmp_path) as proxy, session() as client:
        assert [(await get(client, proxy.url))[0] for _ in range(2)] == [503, 200]
    assert len(runtime.seen) == 2
