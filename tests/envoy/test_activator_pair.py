"""Two activators before one revision, as processes: they share its places, and one goes on when the other is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import pytest

from activator_live import HELLO, Command, Pod, activator_live, eventually
from apps import serve
from bench.load import Load
from live import envoy_gateway
from objects import ingress, path, rule, service, split

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.usefixtures("envoy")]
HOST = "hello.default.example.com"
HEADERS = {"Knative-Serving-Revision": HELLO, "Knative-Serving-Namespace": "default"}
RATE = 100
SEEN = 0.1
"""Seconds within which an Envoy on a busy machine reads that a connection has ended."""


class Pair:
    """A gateway, two activators of one revision, and pods that wait for what a test lets go."""

    def __init__(self, live, gateway, activators):
        self.live, self.gateway, self.activators = live, gateway, activators

    async def lead(self, *activators):
        """What the loop of the ServerlessService does: the public Service leads to these."""
        core, first = service(HELLO, activators[0].http1)
        slices = [
            {
                **first,
                "metadata": {**first["metadata"], "name": f"{HELLO}-{one.host}"},
                "endpoints": [{"addresses": [one.host], "conditions": {"ready": True}}],
                "ports": [{**first["ports"][0], "port": one.http1}],
            }
            for one in activators
        ]
        there = {ref for ref in self.gateway.objects if ref[0] == "EndpointSlice"}
        await self.gateway.apply(core, *slices)
        for kind, namespace, name in there - {
            ("EndpointSlice", "default", s["metadata"]["name"]) for s in slices
        }:
            await self.gateway.delete({"kind": kind, "metadata": {"namespace": namespace, "name": name}})
        await self.live.activators(*((one.host, one.http1) for one in activators))

    async def places(self, activator, number):
        """Waits until an activator has so many pods."""
        async with asyncio.timeout(30):
            while await activator.count("pods") != number:  # noqa: ASYNC110 - a watch brings it
                await asyncio.sleep(0.02)

    async def waiting(self, number):
        """Waits until so many requests wait at both together; how many at each."""
        async with asyncio.timeout(30):
            while sum(found := [await one.count("waiting") for one in self.activators]) != number:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found

    async def kill(self, activator):
        """As a node takes a pod away: both of its processes."""
        envoy = activator.envoy()
        activator.process.kill()
        os.kill(envoy, signal.SIGKILL)
        await activator.process.wait()


@asynccontextmanager
async def pair(folder, concurrency=0):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(activator_live(folder / "a"))
        folder.joinpath("g").mkdir()
        gateway = await stack.enter_async_context(envoy_gateway(folder / "g"))
        await live.revision(concurrency=concurrency)
        activators = [Command(live, folder / f"{n}", f"127.0.0.{n}") for n in (2, 3)]
        for one in activators:
            await one.start()
            stack.push_async_callback(ended, one)
        made = Pair(live, gateway, activators)
        await made.lead(*activators)
        await gateway.apply(ingress("hello", rule([HOST], path(split(HELLO, 100, HEADERS)))))
        yield made


async def ended(command):
    if command.process.returncode is None:
        await command.end()


async def test_what_was_held_by_one_that_is_killed_is_lost_and_all_else_is_served(tmp_path):
    pod = Pod("a")
    async with pair(tmp_path) as made, serve(pod):
        first, second = made.activators
        asking = [asyncio.create_task(made.gateway.get(HOST)) for _ in range(60)]
        held = await made.waiting(60)
        assert min(held) > 10, held
        await made.kill(first)
        after = [
            asyncio.create_task(made.gateway.get(HOST)) for _ in range(40)
        ]  # the gateway knows nothing yet
        async with asyncio.timeout(30):
            while await second.count("waiting") != held[1] + 40:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await made.lead(second)
        await made.live.pods(ready=[pod.port])
        answers = Counter(answer.status for answer in await asyncio.gather(*asking))
        assert answers == {200: held[1], 503: held[0]}
        assert {answer.status for answer in await asyncio.gather(*after)} == {200}


async def test_one_that_is_killed_under_load_costs_what_was_inside_it(tmp_path):
    pods = [Pod("a"), Pod("b")]
    async with pair(tmp_path) as made, serve(*pods):
        await made.live.pods(ready=[pod.port for pod in pods])
        async with Load(made.gateway.ports.external_http, [HOST], RATE) as load:
            await load.more(50)
            inside, killed = load.under_way, perf_counter()
            await made.kill(made.activators[0])
            await load.more(50)
            await made.lead(made.activators[1])
            await load.more(50)
        print(f"{inside} under way; {load.result}")  # noqa: T201 - counted, and shown by pytest -s
        late = [round(at - killed, 3) for at in load.result.bad_at if at > killed + SEEN]
        assert not late, late
        assert load.result.bad <= inside + SEEN * RATE


async def test_both_together_use_every_place_and_none_twice_and_one_alone_all(tmp_path):
    limit, pods = 3, [Pod(str(n)) for n in range(5)]
    async with pair(tmp_path, concurrency=limit) as made, serve(*pods):
        for pod in pods:
            pod.hold()
        await made.live.pods(ready=[pod.port for pod in pods])
        asking = [asyncio.create_task(made.gateway.get(HOST)) for _ in range(120)]
        await asyncio.gather(*(pod.has(limit) for pod in pods))
        assert sum(await made.waiting(120 - limit * len(pods))) == 105
        assert [await one.count("at_pods") for one in made.activators] == [8, 7]
        for pod in pods:
            pod.release()
        assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
        assert [pod.most for pod in pods] == [limit] * len(pods)
        second = made.activators[1]
        await made.lead(second)
        await made.places(second, len(pods))
        for pod in pods:
            pod.hold()
        asking = [asyncio.create_task(made.gateway.get(HOST)) for _ in range(60)]
        await asyncio.gather(*(pod.has(limit) for pod in pods))
        assert await second.count("at_pods") == limit * len(pods)
        for pod in pods:
            pod.release()
        assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
        assert [pod.most for pod in pods] == [limit] * len(pods)
        await eventually(lambda: all(pod.now == 0 for pod in pods))
