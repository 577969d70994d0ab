"""Two gateways on one embedded API for tests of `knet migrate`: kourier with a real Envoy; istio and contour by stand-ins.

A stand-in is what the gateway's pods would be: it follows the objects that the gateway is programmed by, serves the hosts
that they name, and no others.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.load import Load
from embedded import embedded
from gateway_live import definition, fronting, namespaces
from knet.backends.kourier import backend as kourier
from knet.backends.kourier.settings import Ports
from knet.control.definitions import definitions
from knet.control.ingress import IngressController
from knet.control.ingress_status import Balancers
from knet.control.objects.controller import ObjectController
from knet.control.objects.gateways import KINDS
from knet.control.plane import Plane
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.install import migrate
from knet.kube.client import Client
from knet.kube.errors import ApiError
from knet.kube.informer import Informer
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    ENDPOINT_SLICES,
    GATEWAYS,
    HTTP_PROXIES,
    INGRESSES,
    SERVICES,
    VIRTUAL_SERVICES,
)
from knet.kube.workqueue import WorkQueue
from knet.rollout.migration import Decision, Step
from knet.routing.table import Visibility
from objects import config_map, ingress, path, rule, split
from ports import LOOPBACK, free_ports
from support import CLASSES

PATIENCE = 45
SELECTOR = {"istio": "ingressgateway"}
MADE = {"istio": VIRTUAL_SERVICES, "contour": HTTP_PROXIES}


class StandIn:
    """A gateway's pods: `address` and `port` are where they listen, `hosts` what they serve."""

    def __init__(self, client: Client, gateway: str, address: str = LOOPBACK) -> None:
        self.address = address
        self.port = 0
        self.gateway = gateway
        self._client = client
        self._objects = Informer(client, MADE[gateway])
        self._queue: WorkQueue[Any] = WorkQueue("stand-in")
        self._objects.on_change(lambda key, *_: self._queue.add(key))

    @property
    def hosts(self) -> set[str]:
        found: set[str] = set()
        for item in self._objects.store.values():
            spec = item["spec"]
            found |= set(spec.get("hosts") or ()) | {(spec.get("virtualhost") or {}).get("fqdn", "")}
        return found - {""}

    async def run(self) -> None:
        server = await asyncio.start_server(self._answer, self.address, self.port)
        async with server, asyncio.TaskGroup() as group:
            group.create_task(self._objects.run())
            group.create_task(self._queue.run(self._judge))

    async def _judge(self, key: Any) -> None:
        """Contour says of every HTTPProxy that it is valid."""
        item = self._objects.store.get(key)
        if item is None or self.gateway != "contour":
            return
        generation = item["metadata"]["generation"]
        condition = {
            "type": "Valid", "status": "True", "observedGeneration": generation, "reason": "Valid",
            "message": "Valid HTTPProxy", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        status = {"currentStatus": "valid", "description": "Valid HTTPProxy", "conditions": [condition]}
        if item.get("status") != status:
            try:
                await self._client.replace(HTTP_PROXIES, {**item, "status": status}, subresource="status")
            except ApiError as error:
                if error.status not in (404, 409):  # gone, or changed: it comes again
                    raise

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                host = next(x.partition(":")[2].strip() for x in head.split("\r\n") if x.startswith("host:"))
                served = host.partition(":")[0] in self.hosts
                line = "200 OK" if served else "404 Not Found"
                writer.write(f"HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class Two:
    """The API, whose kubeconfig `place` has, and both gateways. `ports`: by gateway, where the world comes in; `inside`:
    where the cluster does.
    """

    api: Client
    place: Any
    ports: dict[str, int] = field(default_factory=dict)
    inside: dict[str, int] = field(default_factory=dict)
    controllers: dict[str, Any] = field(default_factory=dict)
    stand_ins: dict[str, StandIn] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        return self.place.kubeconfig

    async def chosen(self) -> str:
        return (await self.api.get(CONFIG_MAPS, "config-network", "knative-serving"))["data"]["ingress-class"]

    async def classes(self) -> set[str]:
        found = set()
        for item in (await self.api.list(INGRESSES)).items:
            notes = item["metadata"]["annotations"]
            found |= {v for k, v in notes.items() if k.startswith("networking.knative.dev/ingress")}
        return found

    async def add(self, *names: str, gateway: str, backend: str = "a") -> None:
        """KIngresses that lead to a backend."""
        for name in names:
            made = ingress(name, rule([f"{name}.example.com"], path(split(backend))))
            notes = made["metadata"]["annotations"]
            made["metadata"]["annotations"] = dict.fromkeys(notes, CLASSES[gateway])
            await self.api.apply(INGRESSES, made, manager="test")

    async def until(self, test: Any, *names: str) -> None:
        """Waits until KIngresses are as `test` wants them."""
        left = set(names)
        async for event in self.api.watch(INGRESSES, "default"):
            if event.type in ("ADDED", "MODIFIED") and test(event.object):
                left.discard(event.object["metadata"]["name"])
            if not left:
                return


@asynccontextmanager
async def two(folder: Path, *gateways: str) -> AsyncIterator[Two]:
    """Both gateways with their controllers, and no KIngress yet; `chosen` is the first."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(embedded())
        api = await stack.enter_async_context(place.client())
        made = Two(api, place)
        for body in (*definitions(), *(definition(k) for k in (VIRTUAL_SERVICES, GATEWAYS, HTTP_PROXIES))):
            await api.apply(CUSTOM_RESOURCE_DEFINITIONS, body)
        await namespaces(api, "default", "knative-serving")
        config = config_map("config-network", ingress_class=CLASSES[gateways[0]])
        await api.apply(CONFIG_MAPS, config, manager="test")
        for gateway in gateways:
            await (
                kourier_beside(stack, made, folder)
                if gateway == "kourier"
                else _objects(stack, made, gateway)
            )
        yield made


async def _objects(stack: AsyncExitStack, made: Two, gateway: str) -> None:
    stand_in = StandIn(made.api, gateway)
    (stand_in.port,) = free_ports(1)
    made.ports[gateway], made.stand_ins[gateway] = stand_in.port, stand_in
    await _background(stack, stand_in.run())
    if gateway == "istio":
        await namespaces(made.api, "istio-system")
        for name, number in (("knative-ingress-gateway", 80), ("knative-local-gateway", 8081)):
            server = {"hosts": ["*"], "port": {"name": "http", "number": number, "protocol": "HTTP"}}
            body = {
                "apiVersion": GATEWAYS.api_version, "kind": "Gateway",
                "metadata": {"name": name, "namespace": "knative-serving"},
                "spec": {"selector": SELECTOR, "servers": [server]},
            }  # fmt: skip
            await made.api.apply(GATEWAYS, body, manager="test")
        fronts = [("istio-system", "istio-ingressgateway", SELECTOR)]
    else:
        fronts = [(f"contour-{side}", "envoy", {"app": "envoy"}) for side in ("external", "internal")]
    for namespace, name, labels in fronts:
        await namespaces(made.api, namespace)
        pair = fronting(namespace, name, LOOPBACK, labels, http2=(80, stand_in.port))
        for resource, body in zip((SERVICES, ENDPOINT_SLICES), pair, strict=True):
            await made.api.apply(resource, body, manager="test")
    controller = ObjectController(made.api, KINDS[gateway]())
    made.controllers[gateway] = controller
    await _background(stack, controller.run())


async def kourier_beside(stack: AsyncExitStack, made: Two, folder: Path) -> None:
    """A kourier with a real Envoy on a cluster."""
    ports = Ports(*free_ports(6))
    server = Server()
    xds = await server.start()
    stack.push_async_callback(server.stop)
    plane = Plane(kourier, lambda s: replace(s, addresses=(LOOPBACK,), ports=ports))
    where = {
        Visibility.EXTERNAL: (LOOPBACK, ports.external_http),
        Visibility.INTERNAL: (LOOPBACK, ports.internal_http),
    }
    controller = IngressController(made.api, plane, server, where, Balancers("kourier.out", "kourier.in"))
    made.controllers["kourier"] = controller
    made.ports["kourier"], made.inside["kourier"] = ports.external_http, ports.internal_http
    await _background(stack, controller.run())
    bootstrap = Bootstrap("test-gateway", Tcp(LOOPBACK, xds))
    options = Options(1, log=folder / "envoy.log", drain_seconds=1)
    envoy = Envoy(find_envoy(os.environ), bootstrap, folder / "envoy", options)
    await envoy.start()
    stack.push_async_callback(envoy.stop)
    await envoy.ready()


async def _background(stack: AsyncExitStack, work: Any) -> None:
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


async def ended(load: Load) -> None:
    """Nobody comes any longer; and of those that came nobody was turned away."""
    await load.more(5)
    await load.stop()
    assert load.result.sent > 5
    print(load.result)  # noqa: T201 - counted, and shown by pytest -s
    assert load.result.bad == 0, load.result


async def one_step(both: Two) -> Decision:
    """What one life of the command does before it is killed: it looks, carries out one step, and is gone."""
    async with migrate.Migrating(both.api) as migrating:
        while True:
            found = await migrating.look()
            assert found is not None, "no migration is under way"
            known, _, decision = found
            if decision.step is not Step.WAIT:
                await migrating.carry_out(known, decision)
                return decision
            await migrating.changed()


async def cli(both: Two, *arguments: str) -> tuple[int | None, str, str]:
    """`knet migrate`: its status, and what it says. It gives up before the test does, and says what it waits for."""
    patience = () if "--timeout" in arguments else (f"--timeout={PATIENCE}",)
    process = await started(both, *arguments, *patience)
    try:
        out, err = await asyncio.wait_for(process.communicate(), 2 * PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


async def started(both: Two, *arguments: str) -> asyncio.subprocess.Process:
    """The same, while it runs."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", "migrate", *arguments, "--kubeconfig", str(both.kubeconfig),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
