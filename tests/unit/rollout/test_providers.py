"""Numbers as gateways and Prometheus tell them, and hooks, against servers on loopback."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from knet.control.canary.hooks import ask
from knet.control.canary.prometheus import PRESETS, Prometheus, bins, providers
from knet.control.canary.statistics import Sampler, StatisticsError
from knet.envoy import requests
from knet.model import canary
from knet.rollout.counts import Counts
from knet.rollout.histogram import histogram
from knet.rollout.plan import Hook
from receivers import served

ANSWER = {
    "stats": [
        {"name": "cluster.default/hello-00001.upstream_rq_completed", "value": 20},
        {"name": "cluster.default/hello-00001:8012.upstream_rq_completed", "value": 5},
        {"name": "cluster.default/hello-00001.upstream_rq_5xx", "value": 2},
        {"name": "cluster.other/hello-00001.upstream_rq_5xx", "value": 9},
        {
            "histograms": {
                "supported_percentiles": [0],
                "details": [
                    {
                        "name": "cluster.default/hello-00001.upstream_rq_time",
                        "totals": [{"lower_bound": 12, "width": 1, "count": 3}],
                        "intervals": [],
                    },
                    {
                        "name": "cluster.default/hello-00001/http1.upstream_rq_time",
                        "totals": [{"lower_bound": 12, "width": 1, "count": 1}],
                    },
                ],
            }
        },
    ]
}


def test_envoys_answer_is_added_up_by_revision():
    found = requests.parse(json.dumps(ANSWER), "default")
    assert found == {"hello-00001": Counts(25, 2, histogram([(12, 13, 4)]))}
    with pytest.raises(ValueError, match="no stats"):
        requests.parse("[]", "default")
    assert "hello%5C-00001" in requests.path("default", ["hello-00001"])


def test_bins_of_prometheus_are_differences_in_milliseconds():
    result = [
        {"metric": {"le": le}, "value": [0, n]} for le, n in (("+Inf", "9"), ("0.1", "4"), ("0.25", "7"))
    ]
    assert bins(result, 1000.0) == [(0.0, 100.0, 4.0), (100.0, 250.0, 3.0), (250.0, math.inf, 2.0)]


@asynccontextmanager
async def serving(handler):
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}"


async def test_a_prometheus_is_asked_with_names_put_in():
    asked = []

    async def answer(request):
        query = request.query["query"]
        asked.append(query)
        if "bucket" in query:
            result = [
                {"metric": {"le": "5"}, "value": [0, "3"]},
                {"metric": {"le": "+Inf"}, "value": [0, "4"]},
            ]
        else:
            result = [{"metric": {}, "value": [0, "7" if "response_code" not in query else "2"]}]
        return web.json_response({"status": "success", "data": {"result": result}})

    async with serving(answer) as url:
        spec = canary.CanarySpec(service="hello", analysis={"prometheus": {"url": url, "mesh": "istio"}})
        made = canary.Canary(spec=spec)
        of = providers()
        provider = of(made)
        assert provider is of(made)
        found = await provider.read("shop", ["hello-00002"])
    assert found["hello-00002"] == Counts(7, 2, histogram([(0, 5, 3), (5, math.inf, 1)]))
    assert all('destination_service_namespace="shop"' in q for q in asked)
    assert all('destination_service_name="hello-00002"' in q for q in asked)
    assert providers()(canary.Canary(spec=canary.CanarySpec(service="hello"))) is None


async def test_a_prometheus_that_does_not_help_says_so():
    async def refuse(_):
        return web.Response(status=422, text="parse error")

    async def nonsense(_):
        return web.Response(text="<html>")

    for handler, said in ((refuse, "refuses"), (nonsense, "answers something else")):
        async with serving(handler) as url:
            with pytest.raises(StatisticsError, match=said):
                await Prometheus(url, PRESETS["envoy"]).read("default", ["a"])
    with pytest.raises(StatisticsError, match="does not answer"):
        await Prometheus(url, PRESETS["envoy"]).read("default", ["a"])


async def test_hooks_are_asked_again_and_told_what_they_are_asked_about():
    heard = []

    async def answer(request):
        heard.append(await request.json())
        return web.Response(status=503 if len(heard) < 3 else 200, text="fine")

    async with serving(answer) as url:
        found = await ask("before:1:gate", Hook("gate", url, retries=3), {"weight": 5})
        assert (found.ok, found.message, len(heard)) == (True, "200 fine", 3)
        assert heard[0] == {"weight": 5}

    async def refuse(_):
        return web.Response(status=409, text="not today")

    async with serving(refuse) as url:
        found = await ask("k", Hook("gate", url, retries=0), {})
        assert (found.ok, found.message) == (False, "409 not today (1 tries)")
        assert (await ask("k", Hook("gate", url, retries=0, ignore=True), {})).ok

    answering = asyncio.Event()

    async def slow(_):
        await answering.wait()
        return web.Response()

    async with serving(slow) as url:
        found = await ask("k", Hook("gate", url, retries=0, timeout=0.05), {})
        assert "no answer within 0.05 s" in found.message
        answering.set()
    found = await ask("k", Hook("gate", url, retries=0), {})
    assert not found.ok


async def test_windows_come_when_they_are_due_and_counters_may_begin_anew():
    now, read = [0.0], []

    class Provider:
        async def read(self, namespace, revisions):
            return read[-1]

    sampler = Sampler(Provider(), 10, lambda: now[0])
    read.append({"a": Counts(100, 1), "b": Counts(10)})
    assert await sampler.window("default", "a", "b") is None
    now[0] = 5
    assert await sampler.window("default", "a", "b") is None
    now[0] = 10
    read.append({"a": Counts(160, 2), "b": Counts(15)})
    found = await sampler.window("default", "a", "b")
    assert (found.stable, found.canary) == (Counts(60, 1), Counts(5))
    now[0] = 20
    read.append({"a": Counts(3), "b": Counts(16)})  # one of them was started again
    assert await sampler.window("default", "a", "b") is None
    now[0] = 30
    read.append({"a": Counts(4), "b": Counts(17)})
    assert (await sampler.window("default", "a", "b")).canary == Counts(1)
    assert await sampler.window("default", "a", "c") is None
