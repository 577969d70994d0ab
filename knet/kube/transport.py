"""How a client's requests get to an API and its answers back: over HTTP, or as another transport does it.

The seam is httpx's: whoever has the API in the same process gives the client a transport that calls it, and all that
is above stays the same (`knet.local.api.inside`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from knet.kube.connection import Connection

_PATIENCE = aiohttp.ClientTimeout(total=60, sock_connect=10)
_FOR_EVER = aiohttp.ClientTimeout(total=None, sock_connect=10)
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` begins with a slash; `stream`: its answer comes for as long as somebody listens."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False


class Answer(Protocol):
    """What came of a request."""

    @property
    def status(self) -> int: ...

    async def read(self) -> bytes:
        """All of it."""

    def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of any size."""


class Transport(Protocol):
    """Carries requests between `open` and `close`."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    def send(self, asked: Asked) -> AbstractAsyncContextManager[Answer]:
        """The answer, for as long as it is looked at. Raises `aiohttp.ClientError`, OSError or TimeoutError where the
        API cannot be reached.
        """


class Http:
    """Over HTTP, with aiohttp."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._connection.ssl or True)
        self._session = aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def send(self, asked: Asked) -> AsyncIterator[Answer]:
        if self._session is None:
            raise RuntimeError("use the client as an async context manager")
        headers = {**asked.headers, **await self._connection.headers()}
        async with self._session.request(
            asked.method,
            self._url + asked.path,
            params=asked.query,
            data=asked.body,
            headers=headers,
            timeout=_FOR_EVER if asked.stream else _PATIENCE,
        ) as answer:
            try:
                yield _Answer(answer)
            finally:
                if asked.stream:
                    _leave(answer)


class _Answer:
    def __init__(self, found: aiohttp.ClientResponse) -> None:
        self._found = found
        self.status = found.status

    async def read(self) -> bytes:
        return await self._found.read()

    def parts(self) -> AsyncIterator[bytes]:
        return self._found.content.iter_chunked(_CHUNK)


def _leave(answer: aiohttp.ClientResponse) -> None:
    """Ends a stream that nobody reads any longer: TLS's goodbye would wait for a peer that is busy sending."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()
