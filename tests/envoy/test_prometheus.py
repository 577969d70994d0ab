"""What a real Prometheus reads from a real Envoy, by the queries that knet has for it."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

import canary_gateway
import istio_live
from gateway_live import process
from knet.control.canary.prometheus import PRESETS, Prometheus
from knet.envoy.process_find import find_envoy
from knet.text import json
from ports import free_ports

pytestmark = pytest.mark.envoy
REVISION = "hello-00001"
CLUSTERS = {
    "contour": f"default_{REVISION}_80",
    "envoy": f"default/{REVISION}",
    "istio-envoy": f"outbound|80||{REVISION}.default.svc.cluster.local;",
}
"""How Contour names a Service's cluster for statistics, and knet, and istiod."""
OTHERS = (
    f"default_{REVISION}-more_80",
    f"other_{REVISION}_80",
    f"default/{REVISION}-more",
    f"other/{REVISION}",
    f"outbound|80||{REVISION}-more.default.svc.cluster.local;",
    f"outbound|80||{REVISION}.other.svc.cluster.local;",
)
ANSWERS = (200, 200, 404, 500, 503)
_TYPE = "type.googleapis.com/envoy.extensions.filters."


def bootstrap(admin, port, backend, names):
    """An Envoy of which each cluster is reached by its place in `names`."""
    routes = [{"match": {"prefix": f"/{i}/"}, "route": {"cluster": name}} for i, name in enumerate(names)]
    router = {"@type": f"{_TYPE}http.router.v3.Router"}
    manager = {
        "@type": f"{_TYPE}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    endpoint = {"endpoint": {"address": at(backend)}}
    clusters = [
        {
            "name": name,
            "type": "STATIC",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        for name in names
    ]
    listener = {"address": at(port), "filter_chains": [{"filters": filters}]}
    return {
        "admin": {"address": at(admin)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def at(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@asynccontextmanager
async def backend(port):
    async def answer(request):
        return web.Response(status=int(request.path.rpartition("/")[2]))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def answers(url):
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(url) as found:
                    return found.status
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("mesh", sorted(CLUSTERS))
async def test_requests_failures_and_latencies_of_one_revision_are_counted(mesh, tmp_path, envoy):
    if why := canary_gateway.missing():
        pytest.skip(why)
    admin, port, there = free_ports(3)
    config = tmp_path / "envoy.json"
    made = bootstrap(admin, port, there, [CLUSTERS[mesh], *OTHERS])
    if mesh == "istio-envoy":
        made["stats_config"] = istio_live.STATISTICS
    config.write_bytes(json.dumps(made))
    command = [
        find_envoy(os.environ), "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error",
    ]  # fmt: skip
    async with backend(there):
        with process("envoy", command, tmp_path):
            assert await answers(f"http://127.0.0.1:{admin}/ready") == 200
            for status in ANSWERS:
                assert await answers(f"http://127.0.0.1:{port}/0/{status}") == status
                for other in range(1, len(OTHERS) + 1):
                    assert await answers(f"http://127.0.0.1:{port}/{other}/500") == 500
            async with canary_gateway.prometheus(tmp_path / "prometheus", [f"127.0.0.1:{admin}"]) as url:
                provider = Prometheus(url, PRESETS[mesh])
                async with asyncio.timeout(60):
                    while True:  # until it has been read, latencies too
                        found = (await provider.read("default", [REVISION]))[REVISION]
                        if found.requests and found.latency.quantile(0.5):
                            break
                        await asyncio.sleep(0.2)
    assert (found.requests, found.errors) == (len(ANSWERS), 2)
