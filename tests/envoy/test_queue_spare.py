"""An Envoy that has started before its pod: it serves what it is given, and is silent at rest."""

from __future__ import annotations

import asyncio
import os

import pytest

from apps import Runtime, serve
from knet.dataplane.queue_http import Request
from knet.dataplane.queue_spare import Spare
from knet.dataplane.queue_traces import Traces
from knet.envoy.process_find import find_envoy
from queue_proxy import Proxy, get, session, settings

pytestmark = pytest.mark.envoy


class Counting(Spare):
    """Counts polls: of two kinds, for what to practise with, for what to serve, and for what never comes."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = 0
        self.six = asyncio.Event()

    async def _answer(self, request: Request):
        self.asked += 1
        if self.asked == 6:
            self.six.set()
        return await super()._answer(request)


async def test_it_serves_what_it_is_given_and_asks_no_more(tmp_path):
    runtime = Runtime("user")
    async with serve(runtime), session() as client:
        spare = Counting(find_envoy(os.environ), tmp_path)
        await spare.start()
        await spare.envoy.ready()
        wanted = settings(runtime.port, traces=Traces("collector.invalid", 4317, 1.0))
        proxy = Proxy(wanted, find_envoy(os.environ), tmp_path, spare)
        proxy.settings = wanted
        running = asyncio.create_task(proxy.run())
        probe = {"K-Network-Probe": "queue"}
        await until(client, proxy.url, lambda status: status == 200, **probe)
        assert (await get(client, proxy.url))[0] == 200, "a probe that is answered is the last to come"
        assert (await get(client, proxy.url, **probe)) == (200, "queue")
        await asyncio.wait_for(spare.six.wait(), 30)
        await asyncio.sleep(1)  # what is tested is that nothing happens
        asked = spare.asked
        proxy.stop()
        await asyncio.wait_for(running, 30)
        await spare.stop()
        assert asked == 6


async def test_an_envoy_that_is_killed_is_followed_by_one_that_serves_the_same(tmp_path):
    runtime = Runtime("user")
    async with serve(runtime), session() as client:
        spare = Spare(find_envoy(os.environ), tmp_path)
        await spare.start()
        wanted = settings(runtime.port)
        proxy = Proxy(wanted, find_envoy(os.environ), tmp_path, spare)
        proxy.settings = wanted
        running = asyncio.create_task(proxy.run())
        for _ in range(2):
            await until(client, proxy.url, lambda status: status == 200)
            await proxy.count()
            os.kill(proxy.envoy_pid, 9)
            await until(client, proxy.url, lambda status: status != 200)
        proxy.stop()
        await asyncio.wait_for(running, 30)
        await spare.stop()


async def until(client, url, holds, **headers):
    """Asks until the status holds; 0 while nobody listens."""
    status = -1
    async with asyncio.timeout(30):
        while not holds(status):
            try:
                status, _ = await get(client, url, **headers)
            except OSError:
                status = 0
