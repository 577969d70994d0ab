"""`target-burst-capacity` in `knet up`: whether a request goes through the activator, told by the activator's own count."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from knet.cli.top_rows import samples
from knet.kube import resources
from serving_live import Watching, ready
from up import Up, running

pytestmark = [pytest.mark.envoy, pytest.mark.slow]
NOTE = "autoscaling.knative.dev/"
ASKED = 20
SLOW = """
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(float(self.path[1:] or 0))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Burst:
    """A cluster, and one Service with a limit of ten requests for each pod."""

    def __init__(self, up, client, http):
        self.up, self.client, self.http = up, client, http
        self.there = Watching(client, 60)

    async def deploy(self, name, capacity, **notes):
        notes = {"target-burst-capacity": capacity, "window": "6s", **notes}
        container = {"image": "knet.dev/slow", "command": ["python3", "-uISc", SLOW]}
        template = {
            "metadata": {"annotations": {f"{NOTE}{key.replace('_', '-')}": v for key, v in notes.items()}},
            "spec": {"containerConcurrency": 10, "containers": [container]},
        }
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"template": template}}
        await self.client.apply(resources.KSERVICES, body, manager="test")

    async def get(self, name, seconds=0.0):
        url = f"http://127.0.0.1:{self.up.http}/{seconds}"
        return (await self.http.get(url, headers={"host": f"{name}.default.localhost"})).status_code

    async def through(self, name):
        """How many requests the activator has taken for it."""
        found = await self.client.get(resources.ENDPOINTS, "activator-service", "knative-serving")
        subset = found["subsets"][0]
        port = next(p["port"] for p in subset["ports"] if p["name"] == "metrics")
        said = (await self.http.get(f"http://{subset['addresses'][0]['ip']}:{port}/metrics")).text
        counts = samples(said).get("knet_activator_requests_total", ())
        return sum(int(value) for labels, value in counts if labels["revision"] == f"{name}-00001")

    async def asked(self, name):
        """How many of `ASKED` requests go through the activator, once its route is what the mode says."""
        before = await self.through(name)
        for _ in range(ASKED):
            assert await self.get(name) == 200
        return await self.through(name) - before

    async def mode(self, name, wanted):
        """Waits until the ServerlessService asks for a mode, and all requests take that way."""
        asked = resources.SERVERLESS_SERVICES, f"{name}-00001"
        await self.there.until(*asked, lambda sks: sks["spec"].get("mode") == wanted)
        async with asyncio.timeout(60):
            while not await self.goes(name, wanted):  # noqa: ASYNC110 - endpoints follow the mode, the gateway them
                await asyncio.sleep(0.1)

    async def goes(self, name, mode):
        """Whether all requests take the way of a mode (others may ask meanwhile)."""
        through = await self.asked(name)
        return through >= ASKED if mode == "Proxy" else through == 0

    async def ready(self, name):
        await self.there.until(resources.KSERVICES, name, ready)

    async def at_zero(self, name):
        deployment = resources.DEPLOYMENTS, f"{name}-00001-deployment"
        await self.there.until(*deployment, lambda found: found["spec"]["replicas"] == 0)


@pytest.fixture
async def burst(tmp_path, envoy):
    limits = httpx.Limits(max_connections=None)
    async with (
        running(Up(tmp_path / "state")) as up,
        await up.client() as client,
        httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as http,
    ):
        yield Burst(up, client, http)


async def test_burst_capacity_decides_who_carries_a_request(burst):
    await burst.deploy("always", "-1", min_scale="1")
    await burst.deploy("zero", "0")
    await burst.deploy("some", "3", min_scale="1", max_scale="1")
    await burst.deploy("much", "200", min_scale="1", max_scale="1")
    for name in ("always", "zero", "some", "much"):
        await burst.ready(name)
    # 0: only at zero, and for as long as it takes to decide that there are pods
    await burst.mode("zero", "Serve")
    assert await burst.asked("zero") == 0
    # n: ten places and nobody inside leave seven more than the three that are asked for
    await burst.mode("some", "Serve")
    assert await burst.asked("some") == 0
    # … and 200 are more than one pod has
    await burst.mode("much", "Proxy")
    assert await burst.asked("much") == ASKED
    # -1: always, however few come
    await burst.mode("always", "Proxy")
    assert await burst.asked("always") == ASKED

    over = asyncio.Event()

    async def user():
        while not over.is_set():
            assert await burst.get("some", 0.3) == 200

    users = asyncio.gather(*(user() for _ in range(9)))  # 10 - 3 - 9 is less than nothing
    try:
        await burst.mode("some", "Proxy")
    finally:
        over.set()
        await users
    await burst.mode("some", "Serve")  # its panic window is empty again

    await burst.at_zero("zero")
    before = await burst.through("zero")
    assert await burst.get("zero") == 200
    assert await burst.through("zero") == before + 1
