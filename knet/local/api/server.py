"""The embedded API as a server on loopback, with a kubeconfig that leads to it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import uvicorn

from knet.local.api import certificate, documents
from knet.local.api.app import create_app
from knet.local.api.builtin import BUILT_IN
from knet.local.api.custom import Custom
from knet.local.api.http import Handler, Logs
from knet.local.api.inside import Inside
from knet.local.api.kinds import Kind, Kinds, Object
from knet.local.api.resources import Admission, Options, Resources
from knet.local.api.reviews import REVIEWS
from knet.local.api.store import Store
from knet.local.api.tables import table
from knet.local.api.watches import Watches
from knet.text import yaml

NAMESPACES = ("default", "kube-system", "kube-public", "knative-serving")
LOOPBACK = "127.0.0.1"


class ApiServer:
    """One API on one database. Belongs to one event loop."""

    def __init__(
        self,
        database: Path | str,
        directory: Path,
        *,
        token: str = "",
        logs: Logs | None = None,
        admit: list[Admission] | None = None,
    ) -> None:
        """`database` is a file or ":memory:"; `directory` holds the certificate. Without a token one is made."""
        self.certificate, self._key = certificate.ensure(directory)
        self.token = token or secrets.token_urlsafe(32)
        self.store = Store(database)
        self.kinds = Kinds((*BUILT_IN, *REVIEWS))
        self.resources = Resources(self.store, admit or [])
        self.custom = Custom(self.kinds, self.store, self.resources.clock)
        self.watches = Watches(self.store)
        handler = Handler(self.resources, self.watches, _table, logs)
        described = documents.documents(self.kinds)
        self.app = create_app(handler, self.kinds, described, self.token)
        self.port = 0
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listens on loopback (port 0: any that is free). Raises OSError if the port is taken."""
        self._make_namespaces()
        # asyncio sets TCP_NODELAY only on sockets that say TCP; without it each answer waits 40 ms
        held = socket.socket(proto=socket.IPPROTO_TCP)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((LOOPBACK, port))
        except OSError:
            held.close()
            raise
        self.port = held.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
            ws="none",
            ssl_certfile=str(self.certificate),
            ssl_keyfile=str(self._key),
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([held]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0)

    def inside(self) -> Inside:
        """The way to it for clients in this process."""
        return Inside(self.app, self.token)

    async def stop(self) -> None:
        """Ends watches and the server; everything that was written stays."""
        self.watches.interrupt()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        self.store.close()

    def kubeconfig(self, namespace: str = "default") -> str:
        """The text of a kubeconfig."""
        trusted = base64.b64encode(self.certificate.read_bytes()).decode()
        cluster = {"server": self.url, "certificate-authority-data": trusted}
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "knet",
            "clusters": [{"name": "knet", "cluster": cluster}],
            "users": [{"name": "knet", "user": {"token": self.token}}],
            "contexts": [
                {"name": "knet", "context": {"cluster": "knet", "user": "knet", "namespace": namespace}}
            ],
        }
        return yaml.dump_all([data])

    def write_kubeconfig(self, path: Path) -> None:
        """Writes it for its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(self.kubeconfig())

    def _make_namespaces(self) -> None:
        kind = self.kinds.find("", "v1", "namespaces")
        if kind is None:
            raise RuntimeError("the table of kinds has no namespaces")
        for name in NAMESPACES:
            if self.store.get(kind.collection, ("", name)) is None:
                self.resources.create(kind, "", {"metadata": {"name": name}}, Options("knet"))


def _table(kind: Kind, items: list[Object], include: str, version: str) -> Object:
    shown = _INCLUDES.get(include, "Metadata")
    return table(kind, items, datetime.now(UTC), include=shown, version=version)


_INCLUDES: dict[str, Literal["None", "Metadata", "Object"]] = {"None": "None", "Object": "Object"}


class _Server(uvicorn.Server):
    """Signals are for whoever runs the loop: the API ends last, when pods and controllers have."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield
