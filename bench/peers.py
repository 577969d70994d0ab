"""Processes beside a benchmark: two backends that answer with their name, and a poller.

`python -m bench.peers backends` prints its two ports; `python -m bench.peers poll PORT` reads lines
`HOST NAME` and answers each with the monotonic time at which the first answer from NAME had come.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

GAP_S = 0.0003


class _Named(asyncio.Protocol):
    """Answers every request (whatever it is) with one letter."""

    def __init__(self, name: bytes) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(self.answer * data.count(b"\r\n\r\n"))


async def backends() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda n=n: _Named(n), "127.0.0.1", 0) for n in (b"a", b"b")]
    print(*(s.sockets[0].getsockname()[1] for s in servers), flush=True)
    await asyncio.Event().wait()


def poll(port: int) -> None:
    held: socket.socket | None = None
    for line in sys.stdin:
        host, name = line.split()
        request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
        while True:
            if held is None:
                held = socket.create_connection(("127.0.0.1", port))
                held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            held.sendall(request)
            answer = _read(held)
            if not answer:
                held = None
                continue
            if answer.startswith(b"HTTP/1.1 200") and answer.endswith(name.encode()):
                break
            time.sleep(GAP_S)
        print(time.monotonic(), flush=True)


def _read(held: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = held.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += held.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def named_backends() -> Iterator[tuple[int, int]]:
    """The ports of backends "a" and "b", in a process of their own."""
    command = [sys.executable, "-m", "bench.peers", "backends"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first, second = map(int, process.stdout.readline().split())
        try:
            yield first, second
        finally:
            process.kill()


class Poller:
    """A poller in a process of its own; `wait` gives when the answer had come (monotonic seconds)."""

    def __init__(self, port: int) -> None:
        self._command = [sys.executable, "-m", "bench.peers", "poll", str(port)]

    async def __aenter__(self) -> Poller:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    def ask(self, host: str, name: str) -> None:
        """Starts polling `host` until `name` answers."""
        assert self._process.stdin
        self._process.stdin.write(f"{host} {name}\n".encode())

    async def wait(self, limit: float = 60) -> float:
        """When the awaited answer had come. Raises TimeoutError."""
        assert self._process.stdout
        return float(await asyncio.wait_for(self._process.stdout.readline(), limit))


if __name__ == "__main__":
    if sys.argv[1] == "backends":
        asyncio.run(backends())
    else:
        poll(int(sys.argv[2]))
