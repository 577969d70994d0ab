"""Pods that only report: what the autoscaler asks of queue-proxies, on loopback addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from knet.scaling.stat import Stat, encode

NET = "127.0.1."


class Reporters:
    """`concurrency` and `requests` are what every pod says of the last second."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.concurrency = 0.0
        self.requests = 0.0
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"GET /metrics" in head
                self.asked += 1
                body = encode(Stat("pod", self.concurrency, 0.0, self.requests, 0.0, 100.0))
                length = f"Content-Length: {len(body)}\r\n\r\n".encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\n" + length + body)
        writer.close()


@asynccontextmanager
async def reporters(most: int = 9) -> AsyncIterator[Reporters]:
    """Up to `most` pods at `NET`1 and so on, all on one port."""
    made = Reporters(0)
    first = await asyncio.start_server(made.serve, f"{NET}1", 0)
    made.port = first.sockets[0].getsockname()[1]
    hosts = [f"{NET}{i}" for i in range(2, most + 1)]
    others = await asyncio.start_server(made.serve, hosts, made.port)
    try:
        yield made
    finally:
        for server in (first, others):
            server.close()
