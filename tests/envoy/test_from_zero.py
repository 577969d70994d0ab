"""`knet up`, a Service, nothing running, a request: it is held and answered."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from knet.kube import resources
from serving_live import Watching
from up import Up, running

pytestmark = [pytest.mark.envoy, pytest.mark.slow]
HOST = "hello.default.localhost"
NOTES = {"autoscaling.knative.dev/window": "6s"}


@pytest.fixture
async def up(tmp_path, envoy):
    async with running(Up(tmp_path / "state")) as made:
        yield made


async def test_a_service_at_zero_answers_a_hundred_requests_that_come_at_once(up):
    container = {"image": "ghcr.io/knative/helloworld-go"}
    template = {"metadata": {"annotations": NOTES}, "spec": {"containers": [container]}}
    body = {"metadata": {"name": "hello", "namespace": "default"}, "spec": {"template": template}}
    async with await up.client() as client, asyncio.timeout(180):
        there = Watching(client, 60)
        await client.apply(resources.KSERVICES, body, manager="test")
        pod = await there.until(resources.PODS, "", lambda found: found)
        await there.gone(resources.PODS, pod["metadata"]["name"])  # nobody asks: it goes to zero
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as http:
            url = f"http://127.0.0.1:{up.http}/"
            asking = (http.get(url, headers={"host": HOST}) for _ in range(100))
            answers = await asyncio.gather(*asking)
        assert {(a.status_code, a.text) for a in answers} == {(200, "Hello World!\n")}
        found = await client.get(resources.ENDPOINTS, "activator-service", "knative-serving")
        subset = found["subsets"][0]
        port = next(p["port"] for p in subset["ports"] if p["name"] == "metrics")
        async with httpx.AsyncClient(trust_env=False) as http:
            said = (await http.get(f"http://{subset['addresses'][0]['ip']}:{port}/metrics")).text
    assert 'knet_cold_start_seconds_count{phase="total"} 1\n' in said
    for phase in ("decide", "start", "ready", "first_byte"):
        assert (
            f'knet_cold_start_last_seconds{{namespace="default",revision="hello-00001",phase="{phase}"}}'
            in said
        )
