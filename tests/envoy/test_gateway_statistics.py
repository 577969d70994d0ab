"""What a real Envoy tells of revisions, over its admin socket and over the listener that is there for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.canary.gateway import GatewayStatistics, resolved
from knet.control.canary.statistics import StatisticsError
from knet.control.plane import Plane
from knet.envoy.bootstrap import Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.server import Server
from knet.model import core, kingress
from knet.routing.world import World
from ports import LOOPBACK, free_ports


def world(port):
    """One KIngress that leads to one revision on this machine."""
    meta = {"name": "hello-00001", "namespace": "default"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": port}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": "hello-00001"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [LOOPBACK], "conditions": {"ready": True}}],
    }
    split = {
        "serviceName": "hello-00001",
        "serviceNamespace": "default",
        "servicePort": 80,
        "percent": 100,
    }
    rule = {
        "hosts": ["hello.example.com"],
        "visibility": "ExternalIP",
        "http": {"paths": [{"splits": [split]}]},
    }
    ingress = kingress.parse(
        {
            "apiVersion": "networking.internal.knative.dev/v1alpha1",
            "kind": "Ingress",
            "metadata": {
                "name": "hello",
                "namespace": "default",
                "annotations": {"networking.knative.dev/ingress.class": backend.ingress_class},
            },
            "spec": {"rules": [rule]},
        }
    )
    made, slices = core.parse(service), core.parse(endpoints)
    return World({ingress.key: ingress}, {made.key: made}, {slices.service: (slices,)})


async def serve(reader, writer):
    """Fails when it is asked to."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            status = b"500 No" if b"/bad" in head else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
    except asyncio.IncompleteReadError:
        writer.close()


async def test_requests_failures_and_latencies_by_revision(tmp_path, envoy):
    *six, told = free_ports(7)
    ports, server = Ports(*six), Server()
    xds = await server.start()
    plane = Plane(backend, lambda s: replace(s, addresses=(LOOPBACK,), ports=ports))
    admin = Unix(tmp_path / "admin.sock")
    bootstrap = Bootstrap("test", Tcp(LOOPBACK, xds), admin, statistics=Tcp(LOOPBACK, told))
    running = Envoy(envoy, bootstrap, tmp_path / "envoy", Options(1, log=tmp_path / "log", drain_seconds=1))
    backends = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        server.publish(plane.load(world(backends.sockets[0].getsockname()[1])).snapshot)
        await running.start()
        await running.ready()
        assert await asyncio.wait_for(server.acked(plane.wanted(("default", "hello"))), 30)
        async with httpx.AsyncClient(trust_env=False) as client:
            for path in ["/"] * 9 + ["/bad"] * 3:
                await client.get(
                    f"http://{LOOPBACK}:{ports.external_http}{path}", headers={"host": "hello.example.com"}
                )

            async def socket():
                return [admin]

            first = await GatewayStatistics(socket).read("default", ["hello-00001"])
            assert first["hello-00001"].requests == 12
            async with asyncio.timeout(
                30
            ):  # a reading has Envoy's threads add their histograms up, for a later one
                while not first["hello-00001"].latency.total:
                    first = await GatewayStatistics(socket).read("default", ["hello-00001"])
            by_socket = await GatewayStatistics(socket).read("default", ["hello-00001", "hello-00002"])
            by_listener = await GatewayStatistics(resolved("localhost", told)).read(
                "default", ["hello-00001"]
            )
            assert set(by_socket) == {"hello-00001", "hello-00002"}
            assert by_socket["hello-00002"].requests == 0
            for found in (by_socket["hello-00001"], by_listener["hello-00001"]):
                assert (found.requests, found.errors, found.latency.total) == (12, 3, 12)
            for path in ("/quitquitquit", "/config_dump", "/stats/prometheus", "/", "/stats/../config_dump"):
                assert (await client.get(f"http://{LOOPBACK}:{told}{path}")).status_code == 404, path
            assert (await client.post(f"http://{LOOPBACK}:{told}/stats")).status_code == 404
    finally:
        await running.stop()
        backends.close()
        await server.stop()
    with pytest.raises(StatisticsError, match="does not tell"):
        await GatewayStatistics(resolved(LOOPBACK, told)).read("default", ["hello-00001"])


async def test_without_a_gateway_nothing_is_told():
    async def none():
        return []

    with pytest.raises(StatisticsError, match="no gateway"):
        await GatewayStatistics(none).read("default", ["a"])
    with pytest.raises(StatisticsError, match="is not known"):
        await GatewayStatistics(resolved("nowhere.invalid", 1)).read("default", ["a"])
