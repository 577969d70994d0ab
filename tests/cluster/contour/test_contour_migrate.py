"""From a real Contour to kourier's Envoy and back, on a real API server, under load all the time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import apps
from bench.load import Load
from knet.kube.resources import CONFIG_MAPS, HTTP_PROXIES
from migrating import Two, cli, ended, kourier_beside
from objects import config_map, ingress, path, rule, service, split
from support import CLASSES

HOSTS = [f"m-{i}.example.com" for i in range(5)]
RATE = 50


async def proxies(live):
    """Those of KIngresses; children that have endpoints loaded come and go."""
    names = {i["metadata"]["name"] for i in (await live.api.list(HTTP_PROXIES, "default")).items}
    return {name for name in names if "--ep-" not in name}


async def test_there_and_back_without_a_lost_request(live, own_api, tmp_path):
    async with AsyncExitStack() as stack, asyncio.timeout(240):
        network = config_map("config-network", ingress_class=CLASSES["contour"])
        await live.api.apply(CONFIG_MAPS, network, manager="test")
        stack.push_async_callback(live.api.delete, CONFIG_MAPS, "config-network", "knative-serving")
        both = Two(live.api, own_api)
        await kourier_beside(stack, both, tmp_path)
        backend = apps.Runtime("a")
        await stack.enter_async_context(apps.serve(backend))
        await live.apply(*service("a", backend.port), ready=False)
        for host in HOSTS:
            await live.apply(ingress(host.partition(".")[0], rule([host], path(split("a")))))
        before = await proxies(live)
        assert len(before) >= len(HOSTS)

        async def through(gateway):
            at = live.address() if gateway == "contour" else ("127.0.0.1", both.ports["kourier"])
            return await stack.enter_async_context(Load(at[1], HOSTS, RATE, address=at[0]))

        load = await through("contour")
        for source, target in (("contour", "kourier"), ("kourier", "contour")):
            code, _, err = await cli(both, "--from", source, "--to", target)
            assert code == 3, err
            assert await both.classes() == {CLASSES[target]}
            after = await through(target)
            await load.more(20)
            await ended(load)
            load = after
            code, _, err = await cli(both, "--confirm-traffic-moved")
            assert code == 0, err
            assert await proxies(live) == (set() if target == "kourier" else before)
            await load.more(20)
        await ended(load)
