"""An Envoy that is started before the pod is known whose requests it is to carry.

Envoy's own start takes 80 to 120 ms of CPU, which a cold start would wait for. This one has started, and
asks for its listeners and clusters by long polls (REST xDS: the one kind that needs neither gRPC nor
inotify, of which Linux gives a user 128). `give` answers them; from then on it is like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from knet.dataplane.queue_config import BlankBootstrap, clusters, listeners, practice
from knet.dataplane.queue_http import Answer, Connection, Request
from knet.dataplane.queue_settings import Settings
from knet.envoy.process import Envoy, Options
from knet.errors import Diagnostic

OPTIONS = Options(concurrency=1, log_level="error", drain_seconds=1, flush_ms=200)
"""How every queue-proxy's Envoy is run. It writes to a file only where there is a request log."""
_KINDS = {
    "/v3/discovery:listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "/v3/discovery:clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
}
_LIMIT = 1024 * 1024
"""Envoy says at length what it knows when it asks: 77 kB."""
_PRACTICE, _REAL = "practice", "real"


class Spare:
    """`start`, then `give` once. `directory` is for sockets; its path has to be short (108 bytes)."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._directory = directory
        self._bootstrap = BlankBootstrap(directory)
        self._resources: dict[str, list[dict[str, Any]]] = {}
        self._given = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.on_exit: Callable[[Diagnostic], None] = lambda _: None
        """Hears of every unexpected end of Envoy, which is then started again."""
        self.envoy = Envoy(binary, self._bootstrap, directory, OPTIONS, self._ended)

    async def start(self) -> None:
        """Raises OSError if Envoy cannot be executed."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            partial(Connection, self._answer, limit=_LIMIT), self._bootstrap.source
        )
        await self.envoy.start()

    def give(self, wanted: Settings) -> None:
        """Says what it is to serve."""
        self._resources = {
            "/v3/discovery:listeners": listeners(wanted, self._directory),
            "/v3/discovery:clusters": clusters(wanted, self._directory),
        }
        self._given.set()

    async def stop(self) -> None:
        """Ends Envoy."""
        await self.envoy.stop()
        if self._server is not None:
            self._server.close()

    def _ended(self, problem: Diagnostic) -> None:
        self.on_exit(problem)

    async def _answer(self, request: Request) -> Answer:
        """One poll: what Envoy says it has decides, so that one that was started again is served too."""
        kind = _KINDS.get(request.path)
        if kind is None:
            return Answer(404)
        has = orjson.loads(request.body).get("version_info", "")
        if has == _REAL:
            await asyncio.Event().wait()  # until Envoy ends: nothing will change
        if has == _PRACTICE:
            await self._given.wait()
        version = _REAL if self._given.is_set() else _PRACTICE
        blank = practice(self._directory) if request.path.endswith("listeners") else []
        resources = [{"@type": kind, **one} for one in self._resources.get(request.path, blank)]
        body = orjson.dumps({"version_info": version, "type_url": kind, "resources": resources})
        return Answer(200, body, "application/json")
