"""`--mode ingress-only --replace net-*`: a plugin's place is taken once ours serves, and given back first."""

from __future__ import annotations

import contextlib

import pytest

from gateway_live import definition
from knet.control.definitions import definitions
from knet.errors import KnetError
from knet.install import apply, run
from knet.kube.errors import AlreadyExists
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    GATEWAYS,
    HTTP_PROXIES,
    NAMESPACES,
    VIRTUAL_SERVICES,
)

SYSTEM = "knative-serving"
KINDS = {"istio": (VIRTUAL_SERVICES, GATEWAYS), "contour": (HTTP_PROXIES,), "kourier": ()}
STOPS = {
    "istio": {(SYSTEM, "net-istio-controller"): 2},
    "contour": {(SYSTEM, "net-contour-controller"): 2},
    "kourier": {(SYSTEM, "net-kourier-controller"): 2, ("kourier-system", "3scale-kourier-gateway"): 3},
}
"""What of each plugin ends when ours serves, and how many replicas it has."""
STAYS = {
    "istio": {("istio-system", "istiod"): 1, ("istio-system", "istio-ingressgateway"): 2},
    "contour": {("contour-external", "envoy"): 2},
    "kourier": {},
}
"""What of the gateway itself goes on as it was."""


def deployment(name, namespace, replicas):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


async def upstream(client, gateway):
    """What of an upstream Serving with a plugin and its gateway matters here."""
    wanted = [
        d for d in definitions() if d["metadata"]["name"] == "ingresses.networking.internal.knative.dev"
    ]
    for item in (*wanted, *map(definition, KINDS[gateway])):
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, item, manager="upstream")
        await apply.established(client, item["metadata"]["name"])
    there = STOPS[gateway] | STAYS[gateway]
    for namespace in {SYSTEM, *(key[0] for key in there)}:
        with contextlib.suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": namespace}})
    config = {"metadata": {"name": "config-network", "namespace": SYSTEM}, "data": {"domain-template": "x"}}
    await client.create(CONFIG_MAPS, config)
    for (namespace, name), count in there.items():
        await client.apply(DEPLOYMENTS, deployment(name, namespace, count), manager="upstream")


async def replicas(client, gateway):
    """How many replicas what stops and what stays has now."""
    there = STOPS[gateway] | STAYS[gateway]
    return {k: (await client.get(DEPLOYMENTS, k[1], k[0]))["spec"]["replicas"] for k in there}


@pytest.mark.parametrize("gateway", ["kourier", "istio", "contour"])
async def test_a_plugin_is_replaced_and_comes_back(place, gateway):
    client = place.client
    plugin = {"mode": "ingress-only", "gateway": gateway, "replace": f"net-{gateway}"}
    before = STOPS[gateway] | STAYS[gateway]
    await upstream(client, gateway)
    said = rf"KNET381: net-{gateway} runs on this cluster.*--replace net-{gateway}"
    with pytest.raises(KnetError, match=said):
        await place.install(mode="ingress-only", gateway=gateway)

    # ours does not come up: the plugin goes on
    place.works = lambda item: item["metadata"]["name"] != "knet-controller"
    with pytest.raises(KnetError, match="KNET382"):
        await place.install(wait=1.0, **plugin)
    assert await replicas(client, gateway) == before

    place.mend()
    told = []
    await place.install(voice=run.Voice(says=told.append), **plugin)
    assert [line.split()[1] for line in told] == ["/".join(key) for key in STOPS[gateway]]
    assert await replicas(client, gateway) == dict.fromkeys(STOPS[gateway], 0) | STAYS[gateway]
    if gateway == "kourier":
        ours = await client.get(DEPLOYMENTS, "knet-kourier-gateway", "kourier-system")
        assert ours["spec"]["replicas"] == 1
    network = await client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert network["data"] == {
        "domain-template": "x",
        "ingress-class": f"{gateway}.ingress.networking.knative.dev",
    }
    assert (await place.install(**plugin)).writes == 0

    await place.uninstall()
    assert await replicas(client, gateway) == before
    network = await client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert network["data"] == {"domain-template": "x"}
