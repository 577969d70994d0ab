"""The server for probes: one connection at a time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from knet.dataplane.queue_http import Answer, Connection


@pytest.fixture
async def served():
    servers = []

    async def start(handler):
        server = await asyncio.get_running_loop().create_server(partial(Connection, handler), "127.0.0.1", 0)
        servers.append(server)
        return await asyncio.open_connection(*server.sockets[0].getsockname())

    yield start
    for server in servers:
        server.close()


async def echo(request):
    return Answer(200, request.path.encode(), headers={"X-Saw": request.headers.get("x-said", "")})


async def until(reader, end):
    return (await asyncio.wait_for(reader.readuntil(end), 30)).decode()


async def test_requests_on_one_connection_are_answered_in_order(served):
    reader, writer = await served(echo)
    writer.write(b"GET /a?b HTTP/1.1\r\nX-Said: one\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
    first = await until(reader, b"\r\n\r\n/a")
    assert first.startswith("HTTP/1.1 200 OK\r\n")
    assert "X-Saw: one\r\n" in first
    await until(reader, b"\r\n\r\n/c")
    writer.close()


async def test_one_that_wants_no_more_is_closed(served):
    reader, writer = await served(echo)
    writer.write(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 30)).endswith(b"connection: close\r\n\r\n/a")
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [b"what?\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 70_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
)
async def test_what_is_no_request_is_refused(served, sent):
    reader, writer = await served(echo)
    writer.write(sent)
    assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_handler_ends_with_whoever_asked(served):
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    _, writer = await served(wait)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await asyncio.wait_for(begun.wait(), 30)
    writer.close()
    await asyncio.wait_for(cancelled.wait(), 30)
