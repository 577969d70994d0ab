"""A gateway that asks another replica than the one that writes, and refuses: the KIngress's status says who refused what."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2

import apps
from cluster_live import is_ready
from embedded import embedded
from gateway_live import namespaces, until
from knet.backends.kourier import backend as kourier
from knet.backends.kourier.settings import Ports
from knet.control.definitions import definitions
from knet.control.ingress import IngressController
from knet.control.ingress_status import Balancers
from knet.control.plane import Plane
from knet.control.refusals import Replica
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.kube.resources import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, ENDPOINT_SLICES, INGRESSES, SERVICES
from knet.routing.table import Visibility
from objects import ingress, path, rule, service, split
from ports import LOOPBACK, free_ports

pytestmark = pytest.mark.envoy

SYSTEM = "knative-serving"
TOLD = "knet-refused-two"


class Breaking:
    """kourier's backend, but for KIngresses with a path /bad: one domain twice, which Envoy refuses."""

    def __getattr__(self, name):
        return getattr(kourier, name)

    def render(self, table, settings, changed=None):
        made = kourier.render(table, settings, changed)
        routes = dict(made.resources["routes"])
        for key, uses in made.uses.items():
            if any(route.match.path == "/bad" for row in table.ingresses[key].rows for route in row.routes):
                routes |= {name: twice(name) for name in uses["routes"]}
        return replace(made, resources={**made.resources, "routes": routes})


def twice(name):
    bad = route_pb2.RouteConfiguration(name=name)
    for host in ("x", "y"):
        bad.virtual_hosts.add(name=host, domains=["same"]).routes.add(
            match=route_components_pb2.RouteMatch(prefix="/"),
            direct_response=route_components_pb2.DirectResponseAction(status=200),
        )
    return bad.SerializeToString()


async def replica(stack, client, name, ports, *, writes):
    """One replica of the controller; the port of its xDS."""
    server = Server()
    port = await server.start()
    stack.push_async_callback(server.stop)
    plane = Plane(Breaking(), lambda s: replace(s, addresses=(LOOPBACK,), ports=ports))
    where = {
        Visibility.EXTERNAL: (LOOPBACK, ports.external_http),
        Visibility.INTERNAL: (LOOPBACK, ports.internal_http),
    }
    balancers = Balancers("kourier.out", "kourier.in")
    made = IngressController(client, plane, server, where, balancers, replica=Replica(name, "uid-of-its-pod"))
    task = asyncio.create_task(made.run() if writes else made.serve())

    async def end():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
    return port


def wanted(name, *paths):
    return ingress(name, rule([f"{name}.example.com"], *paths))


def says(word):
    """Whether a KIngress is not ready, and says why."""

    def right(item):
        found = {c["type"]: c for c in (item.get("status") or {}).get("conditions", ())}
        return found.get("Ready", {}).get("status") == "False" and word in found["Ready"]["message"]

    return right


async def test_the_status_says_which_gateway_refused_what(tmp_path):
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        client = await stack.enter_async_context((await stack.enter_async_context(embedded())).client())
        for body in definitions():
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, body)
        await namespaces(client, "default", SYSTEM)
        ports = Ports(*free_ports(6))
        await replica(stack, client, "one", ports, writes=True)
        xds = await replica(stack, client, "two", ports, writes=False)
        options = Options(1, log=tmp_path / "envoy.log", drain_seconds=1)
        envoy = Envoy(
            find_envoy(os.environ), Bootstrap("far", Tcp(LOOPBACK, xds)), tmp_path / "envoy", options
        )
        await envoy.start()
        stack.push_async_callback(envoy.stop)
        backend = apps.Runtime("a")
        await stack.enter_async_context(apps.serve(backend))
        for kind, body in zip((SERVICES, ENDPOINT_SLICES), service("a", backend.port), strict=True):
            await client.apply(kind, body, manager="test")

        await client.apply(
            INGRESSES, wanted("bad", path(split("a"), prefix="/bad"), path(split("a"))), manager="test"
        )
        await client.apply(INGRESSES, wanted("good", path(split("a"))), manager="test")
        await until(client, INGRESSES, "good", "default", is_ready)
        found = await until(client, INGRESSES, "bad", "default", says("gateway far refused routes "))
        assert {c["type"]: c.get("reason") for c in found["status"]["conditions"]} == {
            "LoadBalancerReady": "Uninitialized",
            "NetworkConfigured": "IngressNotConfigured",
            "Ready": "IngressNotConfigured",
        }
        message = next(c["message"] for c in found["status"]["conditions"] if c["type"] == "Ready")
        assert "same" in message, "Envoy's own words"
        told = await client.get(CONFIG_MAPS, TOLD, SYSTEM)
        assert [(o["kind"], o["name"], o["uid"]) for o in told["metadata"]["ownerReferences"]] == [
            ("Pod", "two", "uid-of-its-pod")
        ]

        await client.apply(INGRESSES, wanted("bad", path(split("a"))), manager="test")
        await until(client, INGRESSES, "bad", "default", is_ready)
        await until(client, CONFIG_MAPS, TOLD, SYSTEM, lambda item: item["data"] == {"refused": ""})
        names = {i["metadata"]["name"] for i in (await client.list(CONFIG_MAPS, SYSTEM)).items}
        assert "knet-refused-one" not in names, "whose gateways refuse nothing writes nothing"
