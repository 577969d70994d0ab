"""A real Envoy under our control plane, and small backends for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from knet.envoy.bootstrap import Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.server import Server
from knet.text import json


class Gateway:
    """A control plane and the Envoy that it feeds."""

    def __init__(self, directory: Path, binary: Path) -> None:
        self.binary = binary
        self.directory = directory
        self.log = directory / "envoy.log"
        self.server = Server()
        self.port = 0
        self.envoy: Envoy | None = None

    async def start(self, snapshot) -> None:
        self.port = await self.server.start()
        bootstrap = Bootstrap("gateway-1", Tcp("127.0.0.1", self.port), Unix(self.directory / "admin"))
        self.envoy = Envoy(
            self.binary, bootstrap, self.directory, Options(concurrency=1, log=self.log, drain_seconds=2)
        )
        self.server.publish(snapshot)
        await self.envoy.start()
        await self.envoy.ready()

    async def restart_control_plane(self, snapshot) -> None:
        await self.server.stop(0)
        self.server = Server()
        await self.server.start(f"127.0.0.1:{self.port}")
        self.server.publish(snapshot)

    async def publish(self, snapshot, wanted, within=5.0):
        """Publishes and waits for what is named in `wanted`: resources, or "" for what has to go."""
        self.server.publish(snapshot)
        versions = {ref: found.version if (found := snapshot.get(*ref)) else "" for ref in wanted}
        return await asyncio.wait_for(self.server.acked(versions), within)

    async def address(self, listener: str) -> tuple[str, int]:
        """Where a listener with port 0 listens."""
        text = await self.envoy.admin("/listeners?format=json")
        for found in json.loads(text)["listener_statuses"]:
            if found["name"] == listener:
                address = found["local_address"]["socket_address"]
                return address["address"], address["port_value"]
        raise AssertionError(f"no listener {listener}: {text}\n{self.log.read_text()}")

    async def stop(self) -> None:
        if self.envoy is not None:
            await self.envoy.stop()
        await self.server.stop(0)


@pytest.fixture
async def gateway(tmp_path, envoy):
    made = Gateway(tmp_path, envoy)
    yield made
    await made.stop()


@pytest.fixture
async def backends():
    """`await backends(name)`: the port of a server that answers with its name; `/slow` waits for `release`."""
    runners: list[web.AppRunner] = []
    release = asyncio.Event()

    async def start(name: str) -> int:
        async def answer(request: web.Request) -> web.Response:
            if request.path == "/slow":
                waiting.set()
                await release.wait()
            return web.Response(text=name)

        waiting = start.waiting
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    start.release, start.waiting = release, asyncio.Event()
    yield start
    release.set()
    for runner in runners:
        await runner.cleanup()


class Client:
    """Asks one gateway address, one keep-alive connection for each asker."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = f"http://{address[0]}:{address[1]}"
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def get(self, host: str, path: str = "/") -> tuple[int, str]:
        async with self.session.get(self.url + path, headers={"Host": host}) as response:
            return response.status, await response.text()

    @asynccontextmanager
    async def load(self, host: str):
        """Requests without a pause, counted by (status, text)."""
        seen: Counter[tuple[int, str]] = Counter()

        async def ask() -> None:
            while True:
                seen[await self.get(host)] += 1

        task = asyncio.create_task(ask())
        try:
            yield seen
        finally:
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        if not isinstance(outcome, asyncio.CancelledError):
            raise outcome


@pytest.fixture
async def client():
    """`client(address)`."""
    made: list[Client] = []

    def make(address: tuple[str, int]) -> Client:
        made.append(Client(address))
        return made[-1]

    yield make
    for found in made:
        await found.session.close()
