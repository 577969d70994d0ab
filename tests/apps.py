"""Small backends for tests against a real gateway: what they saw comes back as JSON.

`Runtime` speaks HTTP/1.1 and h2c (prior knowledge) on one port, as Knative's `runtime` image does;
its paths can ask for delays and failures. `grpc_echo` and `websocket_echo` answer streams with their
own name in front. All listen on loopback ports that the system chose.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc.aio
import h2.config
import h2.connection
import h2.events
import h11
import websockets.asyncio.server

ADDRESS = "127.0.0.1"
"""Where all of them listen; tests on a real API server set another, for it refuses loopback in endpoints."""

PROBED = "k-network-hash"
"""What a probe asks for comes back in the answer, as Knative's queue-proxy and activator do."""

PREFACE = b"PRI * HTTP/2.0"


@dataclass
class Seen:
    """One request as the backend saw it; header names in lower case."""

    proto: str
    method: str
    path: str
    host: str
    headers: dict[str, str]


@dataclass
class Runtime:
    """A backend called `name`. `fail_first` requests are answered 503; `seen` is what arrived."""

    name: str
    fail_first: int = 0
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    async def answer(self, seen: Seen) -> tuple[int, float, float, bytes]:
        """(status, seconds before the headers, seconds before the body, body) for a request."""
        self.seen.append(seen)
        query = {k: float(v[0]) for k, v in parse_qs(urlsplit(seen.path).query).items() if _number(v[0])}
        if len(self.seen) <= self.fail_first:
            return 503, 0, 0, b"{}"
        body = json.dumps({"name": self.name, **seen.__dict__}).encode()
        return 200, query.get("initial", 0), query.get("body", 0), body

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            start = await reader.read(65536)
            if start.startswith(PREFACE):
                await self._h2(start, reader, writer)
            elif start:
                await self._h1(start, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the gateway closed the connection: nothing is owed to anybody
        finally:
            writer.close()

    async def _h1(self, start: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        connection.receive_data(start)
        request: h11.Request | None = None
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                headers = {n.decode().lower(): v.decode() for n, v in request.headers}
                seen = Seen(
                    f"HTTP/{request.http_version.decode()}",
                    request.method.decode(),
                    request.target.decode(),
                    headers.get("host", ""),
                    headers,
                )
                status, first, second, body = await self.answer(seen)
                await asyncio.sleep(first)
                length = [("content-length", str(len(body))), ("content-type", "application/json")]
                length += _probed(headers)
                writer.write(connection.send(h11.Response(status_code=status, headers=length)) or b"")
                await writer.drain()
                await asyncio.sleep(second)
                writer.write(
                    (connection.send(h11.Data(data=body)) or b"")
                    + (connection.send(h11.EndOfMessage()) or b"")
                )
                await writer.drain()
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return

    async def _h2(self, start: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        requests: dict[int, dict[str, str]] = {}
        tasks: set[asyncio.Task[None]] = set()
        data = start
        while data:
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    requests[event.stream_id] = {_text(n): _text(v) for n, v in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    headers = requests.pop(event.stream_id)
                    task = asyncio.ensure_future(
                        self._h2_answer(connection, writer, event.stream_id, headers)
                    )
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            writer.write(connection.data_to_send())
            await writer.drain()
            data = await reader.read(65536)

    async def _h2_answer(
        self,
        connection: h2.connection.H2Connection,
        writer: asyncio.StreamWriter,
        stream: int,
        headers: dict[str, str],
    ) -> None:
        seen = Seen("HTTP/2.0", headers[":method"], headers[":path"], headers[":authority"], headers)
        status, first, second, body = await self.answer(seen)
        await asyncio.sleep(first)
        answer = [(":status", str(status)), ("content-type", "application/json"), *_probed(headers)]
        connection.send_headers(stream, answer)
        writer.write(connection.data_to_send())
        await asyncio.sleep(second)
        connection.send_data(stream, body, end_stream=True)
        writer.write(connection.data_to_send())
        await writer.drain()


def _probed(headers: dict[str, str]) -> list[tuple[str, str]]:
    return [(PROBED, headers[PROBED])] if "k-network-probe" in headers and PROBED in headers else []


def _number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@asynccontextmanager
async def serve(*backends: Runtime) -> AsyncIterator[None]:
    """Serves the backends on ports of their own (`backend.port`) for as long as the context lasts."""
    servers = []
    for backend in backends:
        server = await asyncio.start_server(backend.connected, ADDRESS, 0)
        backend.port = server.sockets[0].getsockname()[1]
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.close()


@asynccontextmanager
async def answering_with(number: int, size: int) -> AsyncIterator[int]:
    """A server whose answers have so many headers `x-many-*` of such a size; its port."""
    many = "".join(f"x-many-{n}: {'v' * size}\r\n" for n in range(number))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{many}content-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, ADDRESS, 0) as server:
        yield server.sockets[0].getsockname()[1]


GRPC_METHOD = "/knet.test.Ping/PingStream"


@asynccontextmanager
async def grpc_echo(name: str) -> AsyncIterator[int]:
    """A gRPC server whose bidirectional stream answers every message with `name:` in front; its port."""

    async def stream(messages: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for message in messages:
            yield f"{name}:".encode() + message

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.stream_stream_rpc_method_handler(stream) if details.method == GRPC_METHOD else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port(f"{ADDRESS}:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def websocket_echo(name: str) -> AsyncIterator[int]:
    """A websocket server that answers every message with `name:` in front; its port."""

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(f"{name}:{message}")

    handler: Callable[[Any], Awaitable[None]] = echo
    async with websockets.asyncio.server.serve(handler, ADDRESS, 0) as server:
        yield server.sockets[0].getsockname()[1]
