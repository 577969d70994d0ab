"""The few requests that a queue-proxy answers itself: HTTP/1.1 by httptools, without a framework.

A framework would take longer to import than Envoy takes to start (aiohttp 100 ms, uvicorn 110 ms), and
every cold start would wait for it. No request of a user comes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import httptools

_LIMIT = 64 * 1024


@dataclass(slots=True)
class Request:
    """What was asked, headers in lower case."""

    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Answer]]


class Connection(asyncio.Protocol):
    """One connection. A handler is cancelled when whoever asked has gone."""

    def __init__(self, handler: Handler, limit: int = _LIMIT) -> None:
        """`limit` is the size of the largest request, in bytes."""
        self._handler = handler
        self._limit = limit
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request = Request()
        self._target = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._waiting: list[tuple[Request, bool]] = []
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            if self._size > self._limit:
                raise httptools.HttpParserError("request too large")
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._say(Answer(400, b"bad request\n"), keep=False)

    def on_message_begin(self) -> None:
        self._request, self._target, self._parts = Request(), b"", []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self._size = 0
        self._request.body = b"".join(self._parts)
        self._request.path = self._target.decode("latin-1").partition("?")[0]
        self._waiting.append((self._request, self._parser.should_keep_alive()))
        if self._task is None:
            self._task = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        """Answers what has come, in order."""
        while self._waiting:
            request, keep = self._waiting.pop(0)
            self._say(await self._handler(request), keep=keep)
        self._task = None

    def _say(self, answer: Answer, *, keep: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        headers = {"content-type": answer.kind, "content-length": str(len(answer.body)), **answer.headers}
        if not keep:
            headers["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{lines}\r\n"
        self._transport.write(head.encode("latin-1") + answer.body)
        if not keep:
            self._transport.close()
