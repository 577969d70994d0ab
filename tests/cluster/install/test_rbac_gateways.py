"""Least verbs of every gateway's controller, on a real API server (see `test_rbac`).

Ingress-only has nothing but the gateway's own controller: all of its rights are used here. Of a full installation
it is looked at what it grants beyond kourier's, whose rights `test_rbac` has all used.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest

import audited
import gateway_live
import real as real_cluster
from accounts_live import ENFORCED, UNEXERCISED, component, kubeconfig, reached, trusted
from gateways_played import KINDS, prepared, served
from knet.install import manifests, run
from knet.install.values import read
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    GATEWAYS,
    INGRESSES,
    SECRETS,
    SERVICES,
)
from migrating import MADE
from objects import ingress, path, rule, secret, split, tls
from objects import service as backend
from ports import free_ports
from serving_live import Watching, ready
from stagehand import stagehand
from support import CLASSES

HOST = "app.example.com"
CASES = [
    ("kourier", "ingress-only"),
    *((gateway, mode) for gateway in ("contour", "istio") for mode in ("ingress-only", "full")),
]
UNUSED = {
    **UNEXERCISED,
    "knet-controller: patch secrets in kourier-system": "certificates are renewed after two months",
    **{
        f"knet-controller: {verb} podautoscalers.autoscaling.internal.knative.dev": "a canary holds pods of its own"
        for verb in ("create", "patch")
    },
}


@pytest.mark.slow
@pytest.mark.skipif(bool(real_cluster.missing()), reason=real_cluster.missing() or "-")
@pytest.mark.parametrize(("gateway", "mode"), CASES)
async def test_every_verb_that_is_used_is_granted_and_no_other(gateway, mode, tmp_path):
    values = read({}, {"gateway": gateway, "mode": mode})
    async with AsyncExitStack() as stack:
        address = stack.enter_context(gateway_live.address())
        running = stack.enter_context(real_cluster.real(tmp_path, *ENFORCED, *audited.flags(tmp_path)))
        client = await stack.enter_async_context(Client(await from_kubeconfig(running.kubeconfig)))
        await stack.enter_async_context(stagehand(client))
        await prepared(client, gateway, mode)
        await run.install(client, values, run.Voice(), wait=60)
        if gateway != "kourier":
            await stack.enter_async_context(served(client, gateway, address))
        (hook,) = free_ports(1)
        await reached(client, hook)
        config = await kubeconfig(running, client, "knet-controller", tmp_path)
        given = ["--kubeconfig", str(config), "--identity", "one", "--gateway", gateway, "--mode", mode]
        given += ["--webhook-host", "localhost", "--webhook-port", str(hook), "--webhook-static"]
        if gateway == "kourier":
            given += [
                "--xds",
                "127.0.0.1:0",
                "--xds-tls",
                "--http",
                "127.0.0.1:1",
                "--internal",
                "127.0.0.1:1",
            ]
        await stack.enter_async_context(component(tmp_path, "controller", "run", *given))
        live = Watching(client, 90.0)
        await trusted(live)
        await story(live, gateway, address)
    shown = dict(UNUSED)
    if mode == "full":
        rights = audited.granted(manifests.manifests(read({}, {})))
        shown |= dict.fromkeys(map(str, rights), "kourier's has it too")
    assert not audited.wrong(tmp_path, manifests.manifests(values), shown)


@pytest.mark.parametrize("mode", ["ingress-only", "full"])
@pytest.mark.parametrize("pair", list(itertools.permutations(KINDS, 2)), ids="+".join)
def test_two_beside_each_other_may_what_each_may_and_no_more(pair, mode):
    def rights(gateway, beside=""):
        return audited.granted(
            manifests.manifests(read({}, {"gateway": gateway, "beside": beside, "mode": mode}))
        )

    assert rights(*pair) == rights(pair[0]) | rights(pair[1])


def wanted(gateway, *services, **spec):
    share = 100 // len(services)
    made = ingress("app", rule([HOST], path(*(split(name, share) for name in services))), **spec)
    made["metadata"]["annotations"] = dict.fromkeys(made["metadata"]["annotations"], CLASSES[gateway])
    return made


async def story(live, gateway, address):
    """A KIngress comes, moves to another Service as well, and goes."""
    client = live.client
    for name in ("a", "b"):
        for kind, body in zip((SERVICES, ENDPOINT_SLICES), backend(name, 8080), strict=True):
            await client.apply(kind, body, manager="test")
    if gateway == "kourier":  # none asks for xDS: it is not served, and says why
        await client.apply(INGRESSES, wanted(gateway, "a", tls=[tls("nowhere", HOST)]), manager="test")
        await live.until(INGRESSES, "app", lambda item: item.get("status"))
        await live.until(EVENTS, "", lambda item: item["involvedObject"].get("name") == "app")
        return
    cert = secret("cert", HOST)
    cert["metadata"].pop("uid")
    await client.apply(SECRETS, cert, manager="test")
    # Istio has the certificate copied beside its gateways; the stand-in speaks no TLS, which Contour's would be asked for
    secured = {"tls": [tls("cert", HOST)]} if gateway == "istio" else {}
    await client.apply(INGRESSES, wanted(gateway, "a", **secured), manager="test")
    await live.until(INGRESSES, "app", ready)
    await live.until(EVENTS, "", lambda item: item["involvedObject"].get("name") == "app")
    await client.apply(INGRESSES, wanted(gateway, "a", "b", **secured), manager="test")
    await live.until(INGRESSES, "app", ready)
    mark = {"istio": "load", "contour": "ep"}[gateway]
    await live.gone(INGRESSES, f"app--{mark}")
    await client.delete(INGRESSES, "app", "default")
    async with asyncio.timeout(live.patience):
        await gateway_live.until_none(client, MADE[gateway], "default")
        if gateway == "istio":
            await gateway_live.until_none(client, GATEWAYS, "default")
            await gateway_live.until_none(client, SECRETS, "istio-system")
