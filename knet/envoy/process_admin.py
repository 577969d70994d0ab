"""Envoy's admin interface: one request, one answer, over TCP or a socket in the file system."""

from __future__ import annotations

import asyncio

from knet.envoy.bootstrap import Address, Unix


async def request(address: Address, path: str, method: str = "GET") -> tuple[int, str]:
    """The status and text of the answer. Raises OSError if nobody listens or the answer breaks off."""
    if isinstance(address, Unix):
        reader, writer = await asyncio.open_unix_connection(str(address.path))
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    return _parsed(answer)


def _parsed(answer: bytes) -> tuple[int, str]:
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        raise ConnectionResetError("Envoy's admin interface closed the connection without an answer")
    lines = head.decode("latin-1").lower().split("\r\n")
    if "transfer-encoding: chunked" in lines[1:]:
        body = _unchunked(body)
    return int(lines[0].split()[1]), body.decode(errors="replace")


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2 :]
