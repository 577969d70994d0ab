"""An activator with a real Envoy on an embedded API; revisions and endpoints are written by hand, pods are backends."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import websockets.asyncio.server

from apps import Runtime, Seen
from embedded import embedded
from knet.control.definitions import definitions
from knet.dataplane.activator import Activator, Settings
from knet.envoy.process_find import find_envoy
from knet.kube import resources
from knet.kube.client import Client
from knet.scaling.stat import Report, decode_reports
from ports import free_ports

PATIENCE_S = 30.0
HELLO = "hello-00001"


class Pod(Runtime):
    """A pod's queue-proxy, as far as an activator meets it. Not `ready`: it answers probes with 503."""

    def __init__(self, name: str, *, ready: bool = True) -> None:
        super().__init__(name)
        self.ready = ready
        self.probes: list[Seen] = []
        self.let: asyncio.Semaphore | None = None
        self.now = self.most = 0
        self.news = asyncio.Condition()

    async def answer(self, seen: Seen) -> tuple[int, float, float, bytes]:
        if seen.headers.get("k-network-probe"):
            self.probes.append(seen)
            return (200 if self.ready else 503), 0, 0, b"queue"
        self.now += 1
        self.most = max(self.most, self.now)
        async with self.news:
            self.news.notify_all()
        try:
            if self.let is not None:
                await self.let.acquire()
            return await super().answer(seen)
        finally:
            self.now -= 1

    def hold(self) -> None:
        """Requests wait here until `release`."""
        self.let = asyncio.Semaphore(0)

    def release(self, number: int = 100_000) -> None:
        assert self.let is not None
        for _ in range(number):
            self.let.release()

    async def has(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self.news:
            await self.news.wait_for(lambda: self.now >= number)


class Told:
    """An autoscaler that hears reports."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.news = asyncio.Event()
        self.connections = 0
        self._server: websockets.asyncio.server.Server | None = None

    async def start(self, port: int) -> None:
        self._server = await websockets.asyncio.server.serve(self._hear, "127.0.0.1", port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _hear(self, connection: Any) -> None:
        self.connections += 1
        async for frame in connection:
            self.reports += decode_reports(frame)
            self.news.set()

    async def until(self, test: Callable[[Report], bool]) -> Report:
        """The first report that passes a test."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if found := next((r for r in self.reports if test(r)), None):
                    return found
                self.news.clear()
                await self.news.wait()


class Live:
    """One activator and what is around it."""

    def __init__(self, client: Client, told: Told, settings: Settings) -> None:
        self.client = client
        self.kubeconfig = Path()
        self.told = told
        self.settings = settings
        self.activator: Activator
        self._running: asyncio.Task[None]
        self._stop: asyncio.Event
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(30)
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.http1}"

    async def start(self) -> None:
        started, self._stop = asyncio.Event(), asyncio.Event()
        self.activator = Activator(self.client, self.settings, find_envoy(os.environ))
        self._running = asyncio.create_task(self.activator.run(self._stop, started.set))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait((self._running, waiting), return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            self._running.result()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.wait_for(self._running, PATIENCE_S)

    async def revision(self, name: str = HELLO, concurrency: int = 0, patience: int = 300) -> None:
        """Makes a revision and waits until the activator knows it."""
        spec = {
            "containerConcurrency": concurrency,
            "timeoutSeconds": patience,
            "containers": [{"image": "example.com/hello"}],
        }
        meta = {"name": name, "namespace": "default"}
        body = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": meta, "spec": spec}
        await self.client.apply(resources.REVISIONS, body)
        await eventually(lambda: ("default", name) in self.activator.gates)

    async def pods(
        self, ready: Iterable[int] = (), other: Iterable[int] = (), name: str = HELLO, port: str = "http"
    ) -> None:
        """Says which pods there are, by their ports: ready ones, and those with no more than an address."""
        subsets = []
        for number, side in [
            *((n, "addresses") for n in ready),
            *((n, "notReadyAddresses") for n in other),
        ]:
            ports = [{"name": "metrics", "port": 9090}, {"name": port, "port": number}]
            subsets.append({side: [{"ip": "127.0.0.1"}], "ports": ports})
        await self._endpoints(f"{name}-private", "Private", name, subsets)

    async def activators(self, *addresses: tuple[str, int], name: str = HELLO) -> None:
        """Says which activators carry the revision."""
        subsets = [
            {"addresses": [{"ip": ip}], "ports": [{"name": "http", "port": port}]} for ip, port in addresses
        ]
        await self._endpoints(name, "Public", name, subsets)

    async def _endpoints(self, name: str, kind: str, revision: str, subsets: list[Any]) -> None:
        labels = {
            "networking.internal.knative.dev/serviceType": kind,
            "serving.knative.dev/revision": revision,
        }
        meta = {"name": name, "namespace": "default", "labels": labels}
        body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}
        await self.client.apply(resources.ENDPOINTS, body)

    def headers(self, name: str = HELLO, **more: str) -> dict[str, str]:
        """Those by which a gateway names a revision."""
        own = {"Knative-Serving-Namespace": "default", "Knative-Serving-Revision": name}
        return {**own, **{key.replace("_", "-"): value for key, value in more.items()}}

    async def get(self, path: str = "/", name: str = HELLO, **more: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, headers=self.headers(name, **more)) as answer:
            return answer.status, await answer.text()

    def gate(self, name: str = HELLO) -> Any:
        return self.activator.gates["default", name]

    async def held(self, number: int, name: str = HELLO) -> None:
        """Waits until so many requests wait."""
        await eventually(lambda: len(self.gate(name).waiting) == number)

    async def idle(self, name: str = HELLO) -> None:
        """Waits until the activator has heard of the end of every request."""
        await eventually(lambda: self.gate(name).concurrency == 0)


async def eventually(test: Callable[[], Any]) -> None:
    """Waits for what an Envoy or a watch brings and nobody tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not test():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Command:
    """`knet activator run` as a process, on the API of a `Live`, with ports and a directory of its own."""

    def __init__(self, live: Live, directory: Path, host: str = "127.0.0.1") -> None:
        self.live = live
        self.host = host
        self.directory = directory
        self.http1, self.h2c, self.metrics = free_ports(3)
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Runs it until it answers."""
        ports = {"http1": self.http1, "h2c": self.h2c, "metrics": self.metrics, "concurrency": 1}
        arguments = [f"--{name}={value}" for name, value in ports.items()]
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "knet", "activator", "run", f"--kubeconfig={self.live.kubeconfig}"),
            *(f"--host={self.host}", f"--directory={self.directory}", "--drain-seconds=1"),
            *(f"--autoscaler={self.live.settings.autoscaler}", *arguments),
        )
        async with asyncio.timeout(PATIENCE_S):
            while not await self.said("ok", "/healthz"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def said(self, line: str, path: str = "/metrics") -> bool:
        """Whether it says a line that begins so."""
        try:
            return any(found.startswith(line) for found in (await self._text(path)).splitlines())
        except aiohttp.ClientError:
            return False

    async def count(self, name: str) -> int:
        """What one of its metrics says of `HELLO`; 0 if nothing."""
        begin = f'knet_activator_{name}{{namespace="default",revision="{HELLO}"}} '
        found = (line for line in (await self._text("/metrics")).splitlines() if line.startswith(begin))
        return int(next(found, " 0").rpartition(" ")[2])

    async def _text(self, path: str) -> str:
        async with self.live.session.get(f"http://{self.host}:{self.metrics}{path}") as answer:
            return await answer.text()

    async def until(self, line: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self.said(line):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        self.process.terminate()
        await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    def envoy(self) -> int:
        """The process that serves its Envoy's admin socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.directory / "admin"))
            except OSError:
                raise AssertionError("no Envoy") from None
            found = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", found)[0])


@asynccontextmanager
async def activator_live(directory: Path, **changes: Any) -> AsyncIterator[Live]:
    """Runs one."""
    http1, h2c, metrics, stats = free_ports(4)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(embedded())
        client = await stack.enter_async_context(api.client())
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        told = Told()
        await told.start(stats)
        stack.push_async_callback(told.stop)
        settings = Settings(
            **{
                "directory": directory,
                "host": "127.0.0.1",
                "http1": http1,
                "h2c": h2c,
                "metrics": metrics,
                "autoscaler": f"ws://127.0.0.1:{stats}",
                "concurrency": 1,
                "drain_seconds": 1,
                **changes,
            }
        )
        live = Live(client, told, settings)
        live.kubeconfig = api.kubeconfig
        stack.push_async_callback(live.session.close)
        await live.start()
        stack.push_async_callback(live.stop)
        yield live
