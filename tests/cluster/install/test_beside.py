"""A second gateway beside the first, on API servers: it comes and goes, and of the first nothing is written."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

import gateway_live
import real as real_cluster
from accounts_live import ENFORCED, SYSTEM, component, kubeconfig, reached, trusted
from bench.load import Load
from gateways_played import KINDS, prepared, served
from installations import everything, knet
from knet.control.operator import STATIC
from knet.control.refusals import Replica, Teller
from knet.install import inventory, manifests, migrate, run
from knet.install.inventory import ref_of
from knet.install.values import read
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.resources import CONFIG_MAPS, DEPLOYMENTS, ENDPOINT_SLICES, HTTP_PROXIES, INGRESSES, SERVICES
from knet.rollout import migration
from migrating import Two, cli, ended
from objects import config_map, ingress, path, rule, split
from objects import service as backend
from ports import free_ports
from serving_live import Watching, ready
from stagehand import stagehand
from support import CLASSES

HOST = "app.example.com"
SHARED = {"knet-controller", inventory.NAME}
"""The controller runs both gateways in one process: its start, its rights and who may reach it. And what is written down."""


@pytest.fixture
async def gateways(place):
    """Gateways that have brought their kinds, and namespaces."""
    await gateway_live.defined(
        place.client, [gateway_live.definition(kind) for kinds in KINDS.values() for kind in kinds]
    )
    await gateway_live.namespaces(place.client, "istio-system", "contour-external", "contour-internal")


async def arguments(client):
    found = await client.get(DEPLOYMENTS, "knet-controller", SYSTEM)
    return found["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("gateway", "beside"),
    [("kourier", "contour"), ("contour", "kourier"), ("istio", "kourier"), ("kourier", "istio")],
)
async def test_it_comes_and_goes_and_nothing_of_the_first_is_written(place, gateways, gateway, beside):
    before = await everything(place.client)
    code, _, err = await knet(place, "install", "--gateway", gateway)
    assert code == 0, err
    first, alone = await everything(place.client), await arguments(place.client)

    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    both = await everything(place.client)
    written = {ref for ref, version in first.items() if both.get(ref) != version}
    assert {ref.name for ref in written} == SHARED
    assert {ref.kind for ref in written} >= {"Deployment", "ConfigMap"}
    assert {ref_of(i) for i in manifests.manifests(read({}, {"gateway": beside}))} <= both.keys()
    assert f"--gateway {gateway} --beside {beside}" in " ".join(await arguments(place.client))
    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    assert await everything(place.client) == both

    code, _, err = await knet(place, "install", "--gateway", gateway)
    assert code == 0, err
    await place.namespaces_ended()
    again = await everything(place.client)
    assert again.keys() == first.keys()
    assert {ref.name for ref in again if again[ref] != first[ref]} == SHARED
    assert await arguments(place.client) == alone

    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    await place.uninstall()
    assert (await everything(place.client)).keys() == before.keys()


@asynccontextmanager
async def controlled(running, client, folder, **options):
    """An installation, and its controller as its own account, started as its Deployment says but for where it is."""
    await run.install(client, read({}, {"mode": "ingress-only", **options}), run.Voice(), wait=60)
    (hook,) = free_ports(1)
    await reached(client, hook)
    config = await kubeconfig(running, client, "knet-controller", folder)
    here = ["--kubeconfig", str(config), "--identity", "one", "--health", ""]
    here += ["--webhook-host", "localhost", "--webhook-port", str(hook)]
    here += [
        "--xds",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:1",
        "--internal",
        "127.0.0.1:1",
    ]  # no Envoy of kourier's is here
    async with component(folder, *(await arguments(client)), *here):
        await trusted(Watching(client, 90.0))
        yield
    for kind, name in STATIC:
        await client.delete(kind, name)  # they lead where no installation would have them lead


async def versions(client):
    """Of KIngresses, and of what the first gateway is programmed by; children that have endpoints loaded come and go."""
    return {
        (kind.kind, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
        for kind in (INGRESSES, HTTP_PROXIES)
        for item in (await client.list(kind, "default")).items
        if "--" not in item["metadata"]["name"]
    }


def reported(ready):
    """Whether a controller says that so many of one are served."""

    def right(item):
        found = migration.load_report(item["data"]["report"])
        return (found.total, found.ready) == (1, ready)

    return right


@pytest.mark.slow
@pytest.mark.skipif(bool(real_cluster.missing()), reason=real_cluster.missing() or "-")
async def test_the_first_goes_on_while_a_second_comes_and_goes(tmp_path):
    """Contour's pods are stand-ins; each installation starts the controller anew, as the one that its account is."""
    async with AsyncExitStack() as stack, asyncio.timeout(240):
        address = stack.enter_context(gateway_live.address())
        running = stack.enter_context(real_cluster.real(tmp_path, *ENFORCED))
        client = await stack.enter_async_context(Client(await from_kubeconfig(running.kubeconfig)))
        live = Watching(client, 90.0)
        await stack.enter_async_context(stagehand(client))
        await prepared(client, "contour", "ingress-only")
        pods = await stack.enter_async_context(served(client, "contour", address))
        await client.apply(
            CONFIG_MAPS, config_map("config-network", ingress_class=CLASSES["contour"]), manager="test"
        )
        async with controlled(running, client, tmp_path, gateway="contour"):
            for kind, body in zip((SERVICES, ENDPOINT_SLICES), backend("a", 8080), strict=True):
                await client.apply(kind, body, manager="test")
            made = ingress("app", rule([HOST], path(split("a"))))
            made["metadata"]["annotations"] = dict.fromkeys(
                made["metadata"]["annotations"], CLASSES["contour"]
            )
            await client.apply(INGRESSES, made, manager="test")
            await live.until(INGRESSES, "app", ready)
            await live.gone(INGRESSES, "app--ep")
        load = await stack.enter_async_context(Load(pods.port, [HOST], 50, address=address))
        before = await versions(client)
        assert {kind for kind, _ in before} == {"Ingress", "HTTPProxy"}
        async with controlled(running, client, tmp_path, gateway="contour", beside="kourier"):
            await migrate.begin(client, "contour", "kourier")  # both controllers say how far they are
            await live.until(CONFIG_MAPS, "knet-migration-contour", reported(1), SYSTEM)
            await live.until(CONFIG_MAPS, "knet-migration-kourier", reported(0), SYSTEM)
            assert await versions(client) == before
            code, _, err = await cli(Two(client, running), "--back")
            assert code == 0, err
        async with controlled(running, client, tmp_path, gateway="contour"):
            late = ingress("late", rule(["late.example.com"], path(split("a"))))
            late["metadata"]["annotations"] = made["metadata"]["annotations"]
            await client.apply(INGRESSES, late, manager="test")
            await live.until(INGRESSES, "late", ready)  # it has looked at all that was there, and goes on
            after = await versions(client)
        assert {ref: after[ref] for ref in before} == before
        await ended(load)


@pytest.mark.skipif(bool(real_cluster.missing()), reason=real_cluster.missing() or "-")
async def test_the_controllers_account_may_tell_what_its_gateways_refuse(tmp_path):
    """In a ConfigMap that its pod owns, where owner references are enforced."""
    async with AsyncExitStack() as stack, asyncio.timeout(120):
        running = stack.enter_context(real_cluster.real(tmp_path, *ENFORCED))
        client = await stack.enter_async_context(Client(await from_kubeconfig(running.kubeconfig)))
        await stack.enter_async_context(stagehand(client))
        await prepared(client, "kourier", "ingress-only")
        await run.install(client, read({}, {"mode": "ingress-only"}), run.Voice(), wait=60)
        config = await kubeconfig(running, client, "knet-controller", tmp_path)
        account = await stack.enter_async_context(Client(await from_kubeconfig(config)))
        refused = {("default", "app"): ("1", "no")}
        teller = Teller(account, Replica("pod-1", "uid-1"), lambda: refused, dict)
        telling = asyncio.create_task(teller.run())
        live = Watching(client, 30.0)
        teller.touch()
        await live.until(
            CONFIG_MAPS, "knet-refused-pod-1", lambda item: "no" in item["data"]["refused"], SYSTEM
        )
        refused.clear()
        teller.touch()
        await live.until(
            CONFIG_MAPS, "knet-refused-pod-1", lambda item: item["data"]["refused"] == "", SYSTEM
        )
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
