"""A Unix socket on which a process that runs a gateway says how it is: `knet gateway status`, `knet explain service`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from knet.text import json


def socket_of(state: Path) -> Path:
    """Where what runs on a state directory answers."""
    return state / "status.sock"


async def answer(state: Path, status: Callable[[], dict[str, Any]]) -> Callable[[], None]:
    """Answers every request with what `status` gives, until what is returned is called. Raises OSError."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps(status())
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    path = socket_of(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(reply, path)
    return server.close
