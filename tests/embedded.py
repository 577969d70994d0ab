"""An embedded API for tests, as others see it: a URL, a token, a kubeconfig, a client."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knet.kube.client import Client
from knet.kube.connection import with_token
from knet.local.api.server import ApiServer


@dataclass(frozen=True)
class Embedded:
    server: ApiServer
    kubeconfig: Path

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def token(self) -> str:
        return self.server.token

    def client(self, *, inside: bool = False) -> Client:
        """A client of it; an async context manager. `inside`: it asks the API in this process, without sockets."""
        there = with_token(self.url, self.token, self.server.certificate)
        return Client(there, self.server.inside() if inside else None)


@asynccontextmanager
async def embedded(database: Path | str = ":memory:", **options: Any) -> AsyncIterator[Embedded]:
    """A running API on a free port of loopback."""
    with tempfile.TemporaryDirectory() as folder:
        server = ApiServer(database, Path(folder), **options)
        await server.start()
        path = Path(folder, "kubeconfig")
        server.write_kubeconfig(path)
        try:
            yield Embedded(server, path)
        finally:
            await server.stop()
