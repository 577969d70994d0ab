"""Whether the activator stands before a revision: what it says counts, not when its connection ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from knet.control.autoscaler.probe import judgeable, probe
from knet.scaling.scaler import Probe

REVISION = "default", "hello-00001"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nactivator\r\n0\r\n\r\n"


@asynccontextmanager
async def activator(answer):
    """Says `answer` to whoever asks, and keeps the connection as Envoy does; gives its Endpoints and what it heard."""
    heard, over = [], asyncio.Event()

    async def talk(reader, writer):
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await over.wait()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ports = [{"name": "http", "port": port}]
        try:
            yield {"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": ports}]}, heard
        finally:
            over.set()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (CHUNKED, Probe.OK),
        (b"HTTP/1.1 200\r\ncontent-length: 9\r\n\r\nactivator", Probe.OK),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n" + b"queue" * 14, Probe.NO),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Probe.NO),
    ],
)
async def test_an_answer_is_judged_while_its_connection_is_kept(answer, found):
    async with activator(answer) as (endpoints, heard):
        assert await probe(endpoints, endpoints, REVISION) is found
    assert b"K-Network-Probe: activator" in heard[0]
    assert b"Knative-Serving-Revision: hello-00001" in heard[0]


async def test_endpoints_that_are_not_the_activators_are_not_asked():
    async with activator(CHUNKED) as (endpoints, heard):
        pods = {"subsets": [{"addresses": [{"ip": "127.0.0.2"}], "ports": endpoints["subsets"][0]["ports"]}]}
        assert await probe(pods, endpoints, REVISION) is Probe.NO
        assert await probe(None, endpoints, REVISION) is Probe.NO
    assert not heard


def test_half_an_answer_is_not_judged():
    head = CHUNKED.index(b"\r\n\r\n") + 4
    assert not any(judgeable(CHUNKED[:end]) for end in range(head + 3 + len(b"activato")))
    assert judgeable(CHUNKED)
