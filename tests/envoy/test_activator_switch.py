"""A revision that goes behind its activator and out again under load loses nothing (facts/knative.md, F14)."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import pytest

from activator_live import HELLO, Pod, activator_live, eventually
from apps import serve
from bench.load import Load
from knet.dataplane import unsent
from knet.dataplane.queue_probe import Probe
from knet.envoy.build import routes
from live import envoy_gateway
from objects import ingress, path, rule, service, split
from queue_proxy import queue_proxy

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy")]
HOST = "hello.default.example.com"
RATE = 100
SEEN = 0.1
"""Seconds within which an Envoy on a busy machine reads that a connection has ended."""
INSIDE = "hello.default.svc.cluster.local"
HEADERS = {"Knative-Serving-Revision": HELLO, "Knative-Serving-Namespace": "default"}


class Around:
    """Gateway, activator and two pods with queue-proxies; the public Service leads where a test says."""

    def __init__(self, live, gateway, pods, backends):
        self.live, self.gateway, self.pods, self.backends = live, gateway, pods, backends

    async def lead(self, *ports):
        """What the loop of the ServerlessService does: other endpoints behind the same Service."""
        core, first = service(HELLO, ports[0])
        slices = [
            {
                **first,
                "metadata": {**first["metadata"], "name": f"{HELLO}-{n}"},
                "ports": [{**first["ports"][0], "port": port}],
            }
            for n, port in enumerate(ports)
        ]
        gone = [ref for ref in self.gateway.objects if ref[0] == "EndpointSlice"]
        await self.gateway.apply(core, *slices)
        kept = {("EndpointSlice", "default", s["metadata"]["name"]) for s in slices}
        for ref in set(gone) - kept:
            await self.gateway.delete({"kind": ref[0], "metadata": {"namespace": ref[1], "name": ref[2]}})

    @property
    def own(self):
        return self.live.settings.http1


@asynccontextmanager
async def ending(backend):
    """Serves a backend; gives what ends it before, connections and all."""
    writers, connected = set(), backend.connected

    async def remembered(reader, writer):
        writers.add(writer)
        await connected(reader, writer)

    backend.connected = remembered
    async with AsyncExitStack() as serving:
        await serving.enter_async_context(serve(backend))

        async def end():
            await serving.aclose()
            for writer in writers:
                writer.transport.abort()

        yield end


@asynccontextmanager
async def around(folder, concurrency=0):
    folder.joinpath("g").mkdir()
    backends = [Pod("a"), Pod("b")]
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(activator_live(folder / "a"))
        for backend in backends:
            backend.end = await stack.enter_async_context(ending(backend))
        pods = [
            await stack.enter_async_context(
                queue_proxy(
                    backend.port,
                    folder / f"q{n}",
                    concurrency=concurrency,
                    quiet=0.3,
                    probes=(Probe("tcp", backend.port),),
                )
            )
            for n, backend in enumerate(backends)
        ]
        gateway = await stack.enter_async_context(envoy_gateway(folder / "g"))
        await live.revision(concurrency=concurrency)
        await live.pods(ready=[pod.settings.port for pod in pods])
        made = Around(live, gateway, pods, backends)
        await made.lead(made.own)
        to = path(split(HELLO, 100, HEADERS))
        await gateway.apply(ingress("hello", rule([HOST], to), rule([INSIDE], to, visibility="ClusterLocal")))
        yield made


@pytest.mark.parametrize("concurrency", [0, 10])
async def test_a_hundred_switches_under_load_lose_nothing(tmp_path, concurrency):
    async with around(tmp_path, concurrency) as made:
        ports = [pod.settings.port for pod in made.pods]
        async with Load(made.gateway.ports.external_http, [HOST], RATE) as load:
            for _ in range(50):
                await made.lead(*ports)  # Serve
                await load.more(2)
                await made.lead(made.own)  # Proxy
                await load.more(2)
        through = made.live.gate().requests
        await made.live.idle()
    print(load.result, f"; {through} through the activator")  # noqa: T201 - counted, and shown by pytest -s
    assert load.result.bad == 0, load.result
    assert 20 <= through < load.result.sent


def no_later(load, inside, killed):
    """Lost is what was inside, and what was sent before the end was known: nothing that came later."""
    print(f"{inside} under way; {load.result}")  # noqa: T201 - counted, and shown by pytest -s
    late = [round(at - killed, 3) for at in load.result.bad_at if at > killed + SEEN]
    assert not late, late
    assert load.result.bad <= inside + SEEN * RATE, load.result


async def test_a_pod_that_is_killed_costs_what_was_inside_it_and_no_more(tmp_path):
    """In both modes: the gateway asks again where no connection came about."""
    async with around(tmp_path) as made:
        first, second = made.pods
        for ports in ([first.settings.port, second.settings.port], [made.own]):
            await made.lead(*ports)
            async with Load(made.gateway.ports.external_http, [HOST], RATE) as load:
                await load.more(20)
                os.kill(
                    second.envoy_pid, signal.SIGKILL
                )  # its queue-proxy starts another: twice a dead address
                await load.more(100)
            assert load.result.bad <= 2, load.result  # what was inside, at 100/s of some ms each
            await second.ready()


@pytest.mark.parametrize("mode", ["Serve", "Proxy"])
async def test_a_program_that_has_ended_costs_nothing_while_another_pod_has_one(tmp_path, mode):
    """Its queue-proxy says that nobody has seen the request, and the gateway asks another pod."""
    async with around(tmp_path) as made:
        first, second = made.pods
        await made.lead(*([first.settings.port, second.settings.port] if mode == "Serve" else [made.own]))
        async with Load(made.gateway.ports.external_http, [HOST], RATE) as load:
            await load.more(20)
            inside, killed = load.under_way, perf_counter()
            await made.backends[1].end()
            await load.more(100)
        no_later(load, inside, killed)
        if mode == "Proxy":
            assert list(made.live.gate().pods) == [f"127.0.0.1:{first.settings.port}"]


async def test_an_activator_whose_envoy_is_killed_costs_what_was_inside_it(tmp_path):
    async with around(tmp_path) as made:
        async with Load(made.gateway.ports.external_http, [HOST], RATE) as load:
            await load.more(20)
            inside, killed = load.under_way, perf_counter()
            os.kill(made.live.activator.envoy.pid, signal.SIGKILL)
            await load.more(150)
        no_later(load, inside, killed)


async def test_held_requests_survive_a_switch_to_serve_and_pods_that_come(tmp_path):
    async with around(tmp_path) as made:
        await made.live.pods()
        await eventually(lambda: not made.live.gate().pods)
        asking = [asyncio.create_task(made.gateway.get(HOST)) for _ in range(50)]
        await made.live.held(50)
        await made.lead(*(pod.settings.port for pod in made.pods))
        await made.live.pods(other=[pod.settings.port for pod in made.pods])
        assert {answer.status for answer in await asyncio.gather(*asking)} == {200}


@pytest.mark.parametrize("inside", [False, True])
async def test_no_header_chooses_a_destination_at_any_listener_of_the_gateway(tmp_path, inside):
    other = Pod("other")
    async with around(tmp_path) as made, serve(other):
        target = f"127.0.0.1:{other.port}"
        names = ("x-knet-to", "x-knet-pod", "x-knet-dest", "x-envoy-original-dst-host", "x-knet-lease")
        spoofed = {**dict.fromkeys(names, target), "Knative-Serving-Revision": "other"}
        answer = await made.gateway.get(INSIDE if inside else HOST, headers=spoofed, inside=inside)
        assert answer.status == 200
        assert other.seen == []
        await made.live.idle()
        assert made.live.gate().requests == 1
        assert answer.headers.get("x-knet-unsent") is None


def test_both_ends_call_it_the_same():
    assert routes.UNSENT == unsent.UNSENT
