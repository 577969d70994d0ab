"""A soak: N services, ten random changes a second, memory watched, drift looked for at the end.

    python -m bench.soak [MINUTES [N]]        (30 10000)

Changes are canary steps, endpoint changes, added and deleted KIngresses. Before the clock starts, 2N of them
go out as fast as they can, so that memory is that of a plane that has been changed everywhere (freshly
loaded objects lie closer together). Under a constant load nothing may fail; the last third of the time must
not hold more memory than the first; and at the end what Envoy says that it has (its config dump) must be
what the table says.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import orjson

from bench import synthetic
from bench.load import Load
from bench.peers import named_backends
from bench.xds import Watched, envoy, free_ports, local_world
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.plane import Plane
from knet.control.runner import runner
from knet.envoy.server import Server
from knet.envoy.snapshot import SECTIONS, Snapshot
from knet.model import kingress
from knet.routing.world import World

RATE = 10
LOAD = 50
SAMPLE_S = 5


class Changes:
    """Random changes of a world, from one seed: what to make of it next, and which KIngresses that touches."""

    def __init__(self, world: World, steady: int) -> None:
        self.random = random.Random(7)
        self.world = world
        self.count = len(world.ingresses)
        self.steady = steady

    def next(self) -> tuple[World, tuple[str, str]]:
        """One change; the first `steady` KIngresses are never deleted, for the load asks them."""
        index = self.random.randrange(self.count)
        kind = self.random.choice(("canary", "canary", "canary", "endpoints", "presence"))
        made = kingress.parse(synthetic.ingress(index, "kourier", self.random.randrange(101)))
        ingresses = dict(self.world.ingresses)
        if kind == "presence" and index >= self.steady and made.key in ingresses:
            del ingresses[made.key]
        else:
            ingresses[made.key] = made
        self.world = replace(self.world, ingresses=ingresses)
        if kind == "endpoints":
            self._endpoints(index)
        return self.world, made.key

    def _endpoints(self, index: int) -> None:
        """One or two endpoints for a revision that the load does not use."""
        if index < self.steady:
            return
        key = ("default", f"svc-{index:05d}-00001")
        (piece,) = self.world.endpoint_slices[key]
        count = self.random.choice((1, 2))
        first = piece.endpoints[0]
        slices = dict(self.world.endpoint_slices)
        slices[key] = (piece.model_copy(update={"endpoints": (first,) * count}),)
        self.world = replace(self.world, endpoint_slices=slices)


async def soak(minutes: float, count: int) -> bool:
    """Runs it; True if all was well."""
    with named_backends() as ports:
        world = local_world(count, ports)
        http, inner, probe = free_ports(3)
        plane = Plane(
            backend, lambda s: replace(s, addresses=("127.0.0.1",), ports=Ports(http, inner, 0, 0, probe, 0))
        )
        snapshot = plane.load(world).snapshot
        gc.collect()
        gc.freeze()
        server = Server()
        xds = await server.start()
        server.publish(snapshot)
        async with envoy(xds) as process:
            await asyncio.wait_for(server.acked(versions(snapshot)), 240)
            hosts = [f"svc-{i:05d}.default.example.com" for i in range(min(100, count))]
            changes = Changes(world, len(hosts))
            async with Load(http, hosts, LOAD) as load:
                await warm(2 * count, changes, plane, server)
                samples = await run(minutes * 60, changes, plane, server, process)
            print(f"load: {load.result}")
            await asyncio.wait_for(server.acked(versions(plane.snapshot)), 60)
            drift = await differences(plane.snapshot, process.admin)
        await server.stop()
    flat = report(samples)
    print(f"drift between Envoy's config dump and the table: {drift or 'none'}")
    return flat and not drift and load.result.bad == 0


def versions(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """What a gateway has to have: listeners and RouteConfigurations (they wait for the rest)."""
    urls = (SECTIONS["listeners"], SECTIONS["routes"])
    return {(url, name): found.version for url in urls for name, found in snapshot.of_type(url).items()}


async def warm(count: int, changes: Changes, plane: Plane, server: Server) -> None:
    """`count` changes at once; gives the loop a turn after each, and waits until all is acknowledged."""
    start = time.perf_counter()
    for _ in range(count):
        world, key = changes.next()
        server.publish(plane.update(world, [key]).snapshot)
        await asyncio.sleep(0)
    await asyncio.wait_for(server.acked(versions(plane.snapshot)), 120)
    print(f"warm: {count} changes in {time.perf_counter() - start:.0f} s", flush=True)


async def run(
    seconds: float, changes: Changes, plane: Plane, server: Server, process: Watched
) -> list[tuple[float, float, float]]:
    """(seconds, Envoy MB, our MB) every five seconds, while ten changes a second go out."""
    samples: list[tuple[float, float, float]] = []
    ours = Watched(os.getpid())
    start = time.perf_counter()
    made = 0
    while (now := time.perf_counter() - start) < seconds:
        while made < now * RATE:
            world, key = changes.next()
            server.publish(plane.update(world, [key]).snapshot)
            made += 1
        if not samples or now - samples[-1][0] >= SAMPLE_S:
            samples.append((now, process.rss_mb(), ours.rss_mb()))
            if len(samples) % 60 == 1:
                print(
                    f"{now:5.0f} s  Envoy {samples[-1][1]:.0f} MB  ours {samples[-1][2]:.0f} MB", flush=True
                )
        await asyncio.sleep(max(made / RATE - (time.perf_counter() - start), 0))
    print(f"{made} changes in {seconds:.0f} s")
    return samples


def report(samples: list[tuple[float, float, float]]) -> bool:
    """Prints the thirds; True if the last holds at most 5 % more than the first."""
    third = len(samples) // 3
    flat = True
    for name, column in (("Envoy", 1), ("control plane", 2)):
        first, last = (
            statistics.median(s[column] for s in part) for part in (samples[:third], samples[-third:])
        )
        print(f"{name}: first third {first:.0f} MB, last third {last:.0f} MB ({last / first - 1:+.1%})")
        flat = flat and last <= first * 1.05
    return flat


async def differences(snapshot: Snapshot, port: int) -> list[str]:
    """Names of RouteConfigurations, scopes and clusters that Envoy has and we do not, or the other way."""
    async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
        got = await client.get(f"http://127.0.0.1:{port}/config_dump")
    dump = orjson.loads(got.content)
    have: dict[str, dict[str, str]] = {"routes": {}, "scopedRoutes": {}, "clusters": {}}
    for section, name, version in _dumped(dump):
        have[section][name] = version
    wrong = []
    for section, found in have.items():
        want = {n: r.version for n, r in snapshot.of_type(SECTIONS[section]).items()}
        wrong += [f"{section} {n}" for n in sorted(want.keys() ^ found.keys())]
        if section == "routes":
            wrong += [f"{section} {n}: version" for n in sorted(want) if found.get(n, want[n]) != want[n]]
    return wrong[:20]


def _dumped(dump: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for part in dump["configs"]:
        for entry in part.get("dynamic_route_configs", []):
            yield "routes", entry["route_config"]["name"], entry["version_info"]
        for entry in part.get("dynamic_active_clusters", []):
            yield "clusters", entry["cluster"]["name"], entry.get("version_info", "")
        for entry in part.get("dynamic_scoped_route_configs", []):
            for scope in entry.get("scoped_route_configs", []):
                yield "scopedRoutes", scope["name"], entry.get("version_info", "")


def main(minutes: float = 30, count: int = 10_000) -> bool:
    with runner() as running:
        return running.run(soak(minutes, count))


if __name__ == "__main__":
    given = [float(a) for a in sys.argv[1:]]
    sys.exit(0 if main(given[0] if given else 30, int(given[1]) if len(given) > 1 else 10_000) else 1)
