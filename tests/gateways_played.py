"""A cluster that a gateway is on already, with pods of it that are stand-ins, for installations on a real API server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

from accounts_live import SYSTEM
from gateway_live import defined, definition, fronting, namespaces
from knet.control.definitions import definitions
from knet.kube.resources import ENDPOINT_SLICES, GATEWAYS, HTTP_PROXIES, SERVICES, VIRTUAL_SERVICES
from migrating import SELECTOR, StandIn
from ports import free_ports

KINDS = {"kourier": (), "istio": (GATEWAYS, VIRTUAL_SERVICES), "contour": (HTTP_PROXIES,)}


async def prepared(client, gateway, mode):
    """What has to be there before knet: the gateway's kinds and namespaces, and Serving where it is somebody else's."""
    made = [definition(kind) for kind in KINDS[gateway]]
    names = {"istio": ["istio-system"], "contour": ["contour-external", "contour-internal"]}.get(gateway, [])
    if mode == "ingress-only":
        made += [d for d in definitions() if not d["spec"]["group"].endswith("knet.dev")]
        names = [*names, SYSTEM]
    await namespaces(client, *names)
    await defined(client, made)


@asynccontextmanager
async def served(client, gateway, address):
    """The gateway's pods: without any to be asked no KIngress would become ready. A real API takes no loopback address."""
    pods = StandIn(client, gateway, address)
    (pods.port,) = free_ports(1)
    fronts = [("istio-system", "istio-ingressgateway", SELECTOR)]
    if gateway == "contour":
        fronts = [(f"contour-{side}", "envoy", {"app": "envoy"}) for side in ("external", "internal")]
    for namespace, name, labels in fronts:
        pair = fronting(namespace, name, address, labels, http2=(80, pods.port))
        for resource, body in zip((SERVICES, ENDPOINT_SLICES), pair, strict=True):
            await client.apply(resource, body, manager="test")
    task = asyncio.create_task(pods.run())
    try:
        yield pods
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
