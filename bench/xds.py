"""One canary step among N KIngresses, from the call that changes it to the first answer that shows it.

Our layout (scoped routes, one RouteConfiguration for each KIngress) and, in the same run through the same
server, the baseline: one RouteConfiguration with every virtual host in it, as net-kourier has it. A step
turns one KIngress from 100/0 to 0/100 or back; a poller in a process of its own asks every 0.3 ms.

    python -m bench.xds [N...]        (100 1000 10000)
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from bench import synthetic
from bench.load import Load
from bench.peers import Poller, named_backends
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.plane import Plane
from knet.control.runner import runner
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.envoy.snapshot import SECTIONS, Snapshot
from knet.model import core, kingress
from knet.routing.world import World

COUNTS = (100, 1_000, 10_000)
STEPS = {"knet": 250, "one RouteConfiguration": 20}
"""KIngresses turned; each is two steps."""
BACKGROUND = 200
TICK = os.sysconf("SC_CLK_TCK")


def local_world(count: int, ports: tuple[int, int]) -> World:
    """The synthetic set, all at 100/0, with both revisions of every KIngress on this machine."""
    made = synthetic.world(count, "kourier", canary=0)
    slices = {}
    for key, (found,) in made.endpoint_slices.items():
        port = ports[int(key[1][-1]) - 1]
        slices[key] = (
            found.model_copy(
                update={
                    "endpoints": (core.Endpoint(addresses=("127.0.0.1",)),),
                    "ports": (core.EndpointPort(name="http", port=port),),
                }
            ),
        )
    return replace(made, endpoint_slices=slices)


def with_canary(world: World, index: int, percent: int) -> tuple[World, tuple[str, str]]:
    """The world with one KIngress at another percentage, and its key."""
    made = kingress.parse(synthetic.ingress(index, "kourier", percent))
    return replace(world, ingresses={**world.ingresses, made.key: made}), made.key


def free_ports(count: int) -> list[int]:
    import socket

    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Watched:
    """CPU and memory of a process; `admin` is the port of its admin interface, if it is an Envoy."""

    def __init__(self, pid: int, admin: int = 0) -> None:
        self.pid = pid
        self.admin = admin

    def main_thread_ms(self) -> float:
        """CPU of its main thread (Envoy: where xDS is taken in)."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[0]) / 1e6

    def rss_mb(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")


@asynccontextmanager
async def envoy(xds_port: int, concurrency: int = 1) -> AsyncIterator[Watched]:
    """A real Envoy that connects to our server."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "bootstrap.json")
        (admin,) = free_ports(1)
        text = Bootstrap("bench", Tcp("127.0.0.1", xds_port), Tcp("127.0.0.1", admin)).text()
        config.write_text(text)  # noqa: ASYNC240
        process = await asyncio.create_subprocess_exec(
            str(find_envoy(os.environ)), "-c", str(config), "-l", "error", "--disable-hot-restart",
            "--concurrency", str(concurrency),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Watched(process.pid, admin)
        finally:
            process.kill()
            await process.wait()


@dataclass
class Layout:
    """How a changed KIngress becomes a snapshot."""

    name: str
    first: Callable[[World], Snapshot]
    step: Callable[[World, tuple[str, str]], Snapshot]


def ours(ports: Ports) -> Layout:
    plane = Plane(backend, lambda s: replace(s, addresses=("127.0.0.1",), ports=ports))
    return Layout(
        "knet",
        lambda world: plane.load(world).snapshot,
        lambda world, key: plane.update(world, [key]).snapshot,
    )


class OneConfiguration:
    """The baseline: the same virtual hosts, all in one RouteConfiguration that the listener names."""

    NAME = "all"

    def __init__(self, ports: Ports) -> None:
        self.inner = ours(ports)
        self.hosts: dict[str, bytes] = {}
        self.domains: dict[str, set[str]] = {}
        self.snapshot = Snapshot()

    def first(self, world: World) -> Snapshot:
        made = self.inner.first(world)
        sections: dict[str, dict[str, bytes]] = {
            section: {name: r.body for name, r in made.of_type(url).items()}
            for section, url in SECTIONS.items()
        }
        for body in sections["scopedRoutes"].values():
            scope = scoped_route_pb2.ScopedRouteConfiguration.FromString(body)
            host = scope.key.fragments[1].string_key
            self.domains.setdefault(scope.route_configuration_name, set()).add(host)
        for name, body in sections["routes"].items():
            self.hosts[name] = _fields(body, self.domains[name])
        sections["routes"] = {self.NAME: self._whole()}
        sections["scopedRoutes"] = {}
        sections["listeners"] = {
            name: _with_rds(body, self.NAME)
            for name, body in sections["listeners"].items()
            if not name.endswith(("8444", "9443"))
        }
        self.snapshot = Snapshot.of(sections)
        return self.snapshot

    def step(self, world: World, key: tuple[str, str]) -> Snapshot:
        made = self.inner.step(world, key)
        name = f"rc/{key[0]}/{key[1]}"
        found = made.get(SECTIONS["routes"], name)
        assert found
        self.hosts[name] = _fields(found.body, self.domains[name])
        self.snapshot = self.snapshot.apply({"routes": {self.NAME: self._whole()}})
        return self.snapshot

    def _whole(self) -> bytes:
        # serialised virtual hosts are joined as bytes: the best case of this layout
        head = route_pb2.RouteConfiguration(name=self.NAME, ignore_port_in_host_matching=True)
        return bytes(head.SerializeToString() + b"".join(self.hosts.values()))


def _fields(body: bytes, domains: set[str]) -> bytes:
    """The virtual_hosts fields of a serialised RouteConfiguration; one that takes any host gets its domains."""
    parsed = route_pb2.RouteConfiguration.FromString(body)
    for host in parsed.virtual_hosts:
        if list(host.domains) == ["*"]:
            host.domains[:] = sorted(domains)
    return bytes(route_pb2.RouteConfiguration(virtual_hosts=parsed.virtual_hosts).SerializeToString())


def _with_rds(body: bytes, name: str) -> bytes:
    listener = listener_pb2.Listener.FromString(body)
    for chain in listener.filter_chains:
        for network in chain.filters:
            manager = http_connection_manager_pb2.HttpConnectionManager()
            network.typed_config.Unpack(manager)
            source = manager.scoped_routes.rds_config_source
            manager.rds.CopyFrom(
                http_connection_manager_pb2.Rds(route_config_name=name, config_source=source)
            )
            network.typed_config.Pack(manager)
    return bytes(listener.SerializeToString())


@dataclass
class Measured:
    """One row of the table."""

    layout: str
    count: int
    build_s: float = 0
    load_s: float = 0
    rss_mb: float = 0
    steps_ms: list[float] = field(default_factory=list)
    bytes_each: float = 0
    envoy_ms: float = 0
    python_ms: float = 0
    background: str = ""

    def row(self, base: Measured | None) -> str:
        p50, p99 = statistics.median(self.steps_ms), sorted(self.steps_ms)[int(len(self.steps_ms) * 0.99)]
        ratio = f"{statistics.median(base.steps_ms) / p50:.0f}×" if base else "1"
        return (
            f"| {self.layout} | {self.count} | {self.build_s:.2f} | {self.load_s:.2f} | {self.rss_mb:.0f} "
            f"| {p50:.1f} | {p99:.1f} | {ratio} | {self.bytes_each:.0f} | {self.envoy_ms:.2f} | {self.python_ms:.2f} "
            f"| {self.background} |"
        )


async def measure(layout: Layout, world: World, port: int, steps: int) -> Measured:
    """Loads the world into an Envoy and takes `steps` canary steps under a background load."""
    count = len(world.ingresses)
    out = Measured(layout.name, count)
    start = time.perf_counter()
    snapshot = layout.first(world)
    out.build_s = time.perf_counter() - start
    gc.collect()
    gc.freeze()
    server = Server()
    xds = await server.start()
    server.publish(snapshot)
    start = time.monotonic()
    async with envoy(xds) as process:
        wanted = {
            (SECTIONS["listeners"], n): r.version for n, r in snapshot.of_type(SECTIONS["listeners"]).items()
        }
        wanted |= {
            (SECTIONS["routes"], n): r.version for n, r in snapshot.of_type(SECTIONS["routes"]).items()
        }
        await asyncio.wait_for(server.acked(wanted), 240)
        out.load_s = time.monotonic() - start
        hosts = [f"svc-{i:05d}.default.example.com" for i in range(0, count, max(count // 50, 1))]
        async with Poller(port) as poller, Load(port, hosts, BACKGROUND) as load:
            stream = server.streams[0]
            before = (stream.sent_bytes, process.main_thread_ms(), time.process_time())
            for i in range(steps):
                index = i * 7 % count
                host = f"svc-{index:05d}.default.example.com"
                for percent, name in ((100, "b"), (0, "a")):
                    world, key = with_canary(world, index, percent)
                    poller.ask(host, name)
                    started = time.monotonic()
                    server.publish(layout.step(world, key))
                    out.steps_ms.append((await poller.wait() - started) * 1e3)
            after = (stream.sent_bytes, process.main_thread_ms(), time.process_time())
            took = [(b - a) / (2 * steps) for a, b in zip(before, after, strict=True)]
            out.bytes_each, out.envoy_ms, out.python_ms = took[0], took[1], took[2] * 1e3
            out.rss_mb = process.rss_mb()
        out.background = f"{load.result.bad} of {load.result.sent}"
    await server.stop()
    gc.unfreeze()
    return out


async def run(counts: tuple[int, ...]) -> None:
    print(
        "| layout | N | build s | load s | Envoy RSS MB | step p50 ms | p99 ms | faster | bytes a step "
        "| Envoy main ms | Python ms (with load client) | failed under load |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        with named_backends() as backends:
            world = local_world(count, backends)
            results: dict[str, Measured] = {}
            for name in ("one RouteConfiguration", "knet"):
                http, inner, probe = free_ports(3)
                ports = Ports(http, inner, 0, 0, probe, 0)
                one = OneConfiguration(ports)
                layout = ours(ports) if name == "knet" else Layout(name, one.first, one.step)
                results[name] = await measure(layout, world, http, STEPS[name])
                base = results["one RouteConfiguration"] if name == "knet" else None
                print(results[name].row(base), flush=True)


def main(counts: tuple[int, ...] = COUNTS) -> None:
    with runner() as running:
        running.run(run(counts))


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or COUNTS)
