"""Clusters of their own for installations: they come and go whole."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import real as real_cluster
from embedded import embedded
from knet.install import apply, leaving, run
from knet.install.values import read
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.errors import NotFound
from knet.kube.resources import NAMESPACES
from stagehand import stagehand


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """By name, an embedded API, and a real one where there is one: (name) → kubeconfig."""
    running, ended = Future(), Future()

    async def serve():
        async with embedded() as made:
            running.set_result(made.kubeconfig)
            await asyncio.wrap_future(ended)

    started = {}
    real_one = None

    def of(name):
        nonlocal real_one
        if name == "real":
            if why := real_cluster.missing():
                pytest.skip(why)
            if real_one is None:
                real_one = real_cluster.real(tmp_path_factory.mktemp("real"))
                started["real"] = real_one.__enter__().kubeconfig
        return started[name]

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        started["embedded"] = running.result(30)
        yield of
        if real_one is not None:
            real_one.__exit__(None, None, None)
        ended.set_result(None)
        served.result(30)


class Place:
    """A cluster where Deployments come up (those that `works` lets)."""

    def __init__(self, client, kubeconfig):
        self.client = client
        self.kubeconfig = kubeconfig
        self.works = lambda item: True
        self.stage = None

    def mend(self):
        """From now on every Deployment comes up."""
        self.works = lambda item: True
        self.stage.again()

    async def install(self, wait=30.0, voice=None, **options):
        return await run.install(self.client, read({}, options), voice or run.Voice(), wait=wait)

    async def without_namespace(self, name):
        with contextlib.suppress(NotFound):
            await self.client.delete(NAMESPACES, name)
        async with asyncio.timeout(30):
            while any(n["metadata"]["name"] == name for n in (await self.client.list(NAMESPACES)).items):
                pass  # each look is a request: the stagehand has its turn meanwhile

    async def uninstall(self, **options):
        gone = await leaving.uninstall(
            self.client, await apply.recorded(self.client), run.Voice(), wait=30.0, **options
        )
        await self.namespaces_ended()
        return gone

    async def namespaces_ended(self):
        """They are emptied by the cluster in its own time, for which no command waits."""
        async with asyncio.timeout(30):
            while any(
                n["metadata"].get("deletionTimestamp") for n in (await self.client.list(NAMESPACES)).items
            ):
                pass  # each look is a request: the stagehand has its turn meanwhile


@pytest.fixture(params=["embedded", "real"])
async def place(request, servers):
    """An empty cluster; what a test leaves installed is taken away."""
    kubeconfig = servers(request.param)
    async with Client(await from_kubeconfig(kubeconfig)) as client:
        made = Place(client, kubeconfig)
        async with stagehand(client, lambda item: made.works(item)) as made.stage:  # noqa: PLW0108 - tests exchange it
            await made.without_namespace("knative-serving")  # the embedded API has it from the start
            yield made
            if await apply.recorded(client):
                made.mend()
                await made.uninstall()
