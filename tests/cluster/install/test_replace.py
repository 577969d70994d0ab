"""`--mode ingress-only --replace net-kourier`: a plugin's place is taken once ours serves, and given back first."""

from __future__ import annotations

import contextlib

import pytest

from knet.control.definitions import definitions
from knet.errors import KnetError
from knet.install import apply, run
from knet.kube.errors import AlreadyExists
from knet.kube.resources import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NAMESPACES

SYSTEM, GATEWAYS = "knative-serving", "kourier-system"
PLUGIN = {"mode": "ingress-only", "gateway": "kourier", "replace": "net-kourier"}


def deployment(name, namespace, replicas):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


async def upstream(client):
    """What of an upstream Serving with net-kourier matters here."""
    for item in definitions():
        if item["metadata"]["name"] == "ingresses.networking.internal.knative.dev":
            await client.create(CUSTOM_RESOURCE_DEFINITIONS, item)
            await apply.established(client, item["metadata"]["name"])
    for namespace in (SYSTEM, GATEWAYS):
        with contextlib.suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": namespace}})
    config = {"metadata": {"name": "config-network", "namespace": SYSTEM}, "data": {"domain-template": "x"}}
    await client.create(CONFIG_MAPS, config)
    await client.create(DEPLOYMENTS, deployment("net-kourier-controller", SYSTEM, 2))
    await client.create(DEPLOYMENTS, deployment("3scale-kourier-gateway", GATEWAYS, 3))


async def replicas(client, name, namespace):
    return (await client.get(DEPLOYMENTS, name, namespace))["spec"]["replicas"]


async def test_a_plugin_is_replaced_and_comes_back(place):
    client = place.client
    await upstream(client)
    with pytest.raises(KnetError, match=r"KNET381: net-kourier runs on this cluster.*--replace net-kourier"):
        await place.install(mode="ingress-only", gateway="kourier")

    # ours does not come up: the plugin goes on
    place.works = lambda item: item["metadata"]["name"] != "knet-controller"
    with pytest.raises(KnetError, match="KNET382"):
        await place.install(wait=1.0, **PLUGIN)
    assert await replicas(client, "net-kourier-controller", SYSTEM) == 2
    assert await replicas(client, "3scale-kourier-gateway", GATEWAYS) == 3

    place.mend()
    said = []
    await place.install(voice=run.Voice(says=said.append), **PLUGIN)
    assert [line.split()[1] for line in said] == [
        "knative-serving/net-kourier-controller",
        "kourier-system/3scale-kourier-gateway",
    ]
    assert await replicas(client, "net-kourier-controller", SYSTEM) == 0
    assert await replicas(client, "3scale-kourier-gateway", GATEWAYS) == 0
    assert await replicas(client, "knet-kourier-gateway", GATEWAYS) == 1
    network = await client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert network["data"] == {
        "domain-template": "x",
        "ingress-class": "kourier.ingress.networking.knative.dev",
    }
    assert (await place.install(**PLUGIN)).writes == 0

    await place.uninstall()
    assert await replicas(client, "net-kourier-controller", SYSTEM) == 2
    assert await replicas(client, "3scale-kourier-gateway", GATEWAYS) == 3
    network = await client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert network["data"] == {"domain-template": "x"}
