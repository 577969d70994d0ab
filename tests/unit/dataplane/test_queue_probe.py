"""Readiness probes against small servers. Those of gRPC go through Envoy: tests/envoy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from knet.dataplane.queue_probe import Probe, ready

NO_BRIDGE = Path("nowhere")


class Server:
    """Answers with `status`; `seen` is what was asked."""

    def __init__(self) -> None:
        self.status = b"200 OK"
        self.seen: list[str] = []
        self.port = 0

    async def start(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen.append(head.decode())
            writer.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            self.seen.append("")
        writer.close()


@pytest.fixture
async def server():
    made = Server()
    running = await made.start()
    yield made
    running.close()


async def check(*probes):
    return await asyncio.wait_for(ready(probes, NO_BRIDGE), 30)


async def test_http_asks_as_kubelet_does(server):
    probe = Probe("http", server.port, path="/ok?x", headers=(("Host", "a.b"), ("X-One", "1")))
    assert await check(probe) == ""
    (head,) = server.seen
    assert head.startswith("GET /ok?x HTTP/1.1\r\nHost: a.b\r\nUser-Agent: kube-probe/")
    assert "X-One: 1\r\n" in head


@pytest.mark.parametrize(
    ("status", "passes"), [(b"204 X", True), (b"399 X", True), (b"404 X", False), (b"500 X", False)]
)
async def test_http_passes_from_200_to_399(server, status, passes):
    server.status = status
    assert (await check(Probe("http", server.port)) == "") == passes


async def test_http_of_what_speaks_no_http(server):
    server.status = b""
    assert "does not answer in HTTP" in await check(Probe("http", server.port))


async def test_tcp_passes_when_somebody_listens(server):
    assert await check(Probe("tcp", server.port)) == ""


async def test_all_probes_have_to_pass(server):
    good, bad = Probe("tcp", server.port), Probe("http", server.port)
    server.status = b"500 X"
    assert await check(good, bad) == "HTTP probe failed with status 500"


async def test_no_answer_in_time():
    gone = asyncio.Event()

    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        assert "within 0.01s" in await check(Probe("http", port, timeout=0.01))
        await asyncio.wait_for(gone.wait(), 30)


async def test_knatives_own_probe_waits_for_the_container(server):
    """Without a period it is repeated: whoever asks before the container listens gets a yes once it does."""
    other = Server()
    holder = await other.start()
    port = other.port
    holder.close()
    await holder.wait_closed()
    asking = asyncio.create_task(check(Probe("tcp", port, repeated=True)))
    assert "onnect" in await check(Probe("tcp", port))
    assert not asking.done()
    running = await other.start(port)
    assert await asking == ""
    running.close()


async def test_as_many_successes_in_a_row_as_are_asked_for(server):
    assert await check(Probe("http", server.port, successes=3, repeated=True)) == ""
    assert len(server.seen) == 3
