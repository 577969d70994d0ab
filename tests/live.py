"""A live gateway for tests: our xDS server, a real Envoy, and objects that go in as they do in a cluster.

`EnvoyGateway` has the methods of `behaviours.Live`, over `knet.control.plane`, `knet.envoy.server` and
`knet.envoy.process`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import websockets

import apps
from behaviours import Answer
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.plane import Plane
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.envoy.snapshot import CLUSTER, LISTENER
from knet.model import core, kingress
from knet.model.core import EndpointSlice
from knet.routing.world import World
from ports import LOOPBACK, free_ports

Ref = tuple[str, str, str]


def _world(objects: Mapping[Ref, Any]) -> World:
    ingresses, services, secrets, maps = {}, {}, {}, {}
    slices: dict[Any, tuple[EndpointSlice, ...]] = {}
    for item in objects.values():
        if isinstance(item, kingress.KIngress):
            ingresses[item.key] = item
        elif isinstance(item, EndpointSlice):
            slices[item.service] = (*slices.get(item.service, ()), item)
        else:
            {"Service": services, "Secret": secrets, "ConfigMap": maps}[item.kind][item.key] = item
    return World(ingresses, services, slices, secrets, maps)


class EnvoyGateway:
    """See `behaviours.Live`. Make one with `envoy_gateway`."""

    host = LOOPBACK
    any_case = True

    def __init__(self, server: Server, ports: Ports, client: httpx.AsyncClient) -> None:
        self.server = server
        self.ports = ports
        self.client = client
        self.plane = Plane(backend, lambda s: replace(s, addresses=(LOOPBACK,), ports=ports))
        self.objects: dict[Ref, Any] = {}
        self.envoy: Envoy | None = None
        self.xds_port = 0
        self.server.publish(self.plane.load(World()).snapshot)

    async def apply(self, *objects: dict[str, Any], ready: bool = True) -> None:
        """Adds or replaces objects; with `ready`, waits until every KIngress among them is served."""
        made = [kingress.parse(o) if o["kind"] == kingress.KIND else core.parse(o) for o in objects]
        self.objects |= {(o.kind, *o.key): o for o in made}
        self._publish(made)
        if ready:
            for item in made:
                if isinstance(item, kingress.KIngress):
                    await self.acked(item.key)
                elif item.kind == "ConfigMap":
                    await self.settled()

    async def delete(self, *objects: dict[str, Any]) -> None:
        """Removes objects, by their kind and name."""
        gone = []
        for data in objects:
            meta = data["metadata"]
            gone.append(self.objects.pop((data["kind"], meta["namespace"], meta["name"])))
        self._publish(gone)

    def _publish(self, changed: list[Any]) -> None:
        services = [o.service if isinstance(o, EndpointSlice) else o.key for o in changed]
        keys = {o.key for o in changed if isinstance(o, kingress.KIngress)}
        secrets = [o.key for o in changed if o.kind == "Secret"]
        if any(o.kind == "ConfigMap" for o in changed):
            self.server.publish(self.plane.load(_world(self.objects)).snapshot)
            return
        touched = self.plane.touching(services, secrets)
        self.server.publish(self.plane.update(_world(self.objects), keys | touched).snapshot)

    async def acked(self, key: tuple[str, str]) -> None:
        """Waits until every gateway has acknowledged the KIngress as it is now."""
        wanted = self.plane.wanted(key)
        assert wanted, f"{key} is not served: {self.plane.table.diagnostics}"
        outcome = await asyncio.wait_for(self.server.acked(wanted), 30)
        assert outcome, outcome

    async def settled(self) -> None:
        """Waits until every gateway has acknowledged all listeners and clusters as they are now."""
        wanted = {
            (url, name): found.version
            for url in (LISTENER, CLUSTER)
            for name, found in self.plane.snapshot.of_type(url).items()
        }
        outcome = await asyncio.wait_for(self.server.acked(wanted), 30)
        assert outcome, outcome

    async def ready_hash(self, name: str) -> str:
        """The probe hash that came through the data path, once the gateways have acknowledged it."""
        key = ("default", name)
        await self.acked(key)
        host = self.plane.table.ingresses[key].rows[0].hosts[0]
        answer = await self.get(host, "/healthz", {"K-Network-Probe": "probe", "K-Network-Hash": "override"})
        return answer.seen["k-network-hash"]

    async def get(
        self,
        host: str,
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        inside: bool = False,
        https: bool = False,
    ) -> Answer:
        """One request through the outer (or the inner) gateway."""
        port = self.ports.external_https if https else self.address(inside=inside)[1]
        got = await self.client.get(
            f"{'https' if https else 'http'}://{self.host}:{port}{target}",
            # a connection is for one server name: Contour answers 421 to another, and httpx would not know
            headers={"host": host, **({"connection": "close"} if https else {}), **(headers or {})},
            extensions={"sni_hostname": host.partition(":")[0]} if https else {},
        )
        json = got.json() if got.headers.get("content-type") == "application/json" else {}
        return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, json)

    def address(self, *, inside: bool = False) -> tuple[str, int]:
        """Where plain HTTP is served."""
        return self.host, self.ports.internal_http if inside else self.ports.external_http

    def websocket(self, host: str) -> Any:
        address, port = self.address()
        return websockets.connect(f"ws://{host}/", host=address, port=port, proxy=None)

    @asynccontextmanager
    async def grpc_stream(self, authority: str, root: bytes | None = None) -> AsyncIterator[Any]:
        """A bidirectional stream of `apps.GRPC_METHOD`; over TLS if `root` is a certificate to trust."""
        address, port = self.address()
        options = [("grpc.default_authority", authority), ("grpc.use_local_subchannel_pool", 1)]
        made = grpc.aio.insecure_channel(f"{address}:{port}", options=options)
        if root is not None:
            trusted = grpc.ssl_channel_credentials(root)
            options.append(("grpc.ssl_target_name_override", authority))
            target = f"{address}:{self.ports.external_https}"
            made = grpc.aio.secure_channel(target, trusted, options=options)
        async with made as channel:
            call = channel.stream_stream(apps.GRPC_METHOD)()
            yield call
            await call.done_writing()

    async def snapshot_of(self, name: str) -> Any:
        """The object as it is kept, and whether the gateway knows it."""
        key = ("default", name)
        return self.objects[kingress.KIND, *key], key in self.plane.table.ingresses


@asynccontextmanager
async def envoy_gateway(folder: Path, concurrency: int = 1) -> AsyncIterator[EnvoyGateway]:
    """A server and a real Envoy on free ports, for as long as the context lasts."""
    ports = Ports(*free_ports(6))
    server = Server()
    xds = await server.start()
    bootstrap = Bootstrap("test-gateway", Tcp(LOOPBACK, xds))
    options = Options(concurrency, log=folder / "envoy.log", drain_seconds=1)
    envoy = Envoy(find_envoy(os.environ), bootstrap, folder / "envoy", options)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(verify=False, timeout=60, limits=limits, trust_env=False) as client:
        gateway = EnvoyGateway(server, ports, client)
        gateway.envoy, gateway.xds_port = envoy, xds
        await envoy.start()
        try:
            await envoy.ready()
            yield gateway
        finally:
            await envoy.stop()
            await gateway.server.stop()
