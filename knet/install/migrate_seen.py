"""What a migration has to read of a cluster besides KIngresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.backends import registry
from knet.backends.istio.secrets import ORIGIN_NAMESPACE as COPY_LABEL
from knet.control.guests import SUFFIX
from knet.kube.client import Client, Object
from knet.kube.errors import Forbidden, NotFound
from knet.kube.objects import controller, notes
from knet.kube.resources import (
    CONFIG_MAPS,
    DOMAIN_MAPPINGS,
    ENDPOINT_SLICES,
    GATEWAYS,
    HTTP_PROXIES,
    INGRESSES,
    KSERVICES,
    ROUTES,
    SECRETS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from knet.model import core, kingress
from knet.model.kingress import KIngress
from knet.model.network import SYSTEM_NAMESPACE
from knet.routing.table import Key
from knet.routing.world import World

MADE: Mapping[str, tuple[Resource, ...]] = {
    "istio": (VIRTUAL_SERVICES, GATEWAYS),
    "contour": (HTTP_PROXIES,),
    "kourier": (),
}
"""What each gateway is programmed by; kourier's Envoys ask for theirs."""
FRONTS: Mapping[str, tuple[Key, ...]] = {
    "istio": (("istio-system", "istio-ingressgateway"),),
    "contour": (("contour-external", "envoy"),),
    "kourier": (("kourier-system", "kourier"),),
}
"""The Service that the world comes through, unless the gateway's ConfigMap says otherwise."""


async def listed(client: Client, kind: Resource, namespace: str | None = None) -> list[Object]:
    """All objects of a kind; none where the cluster has not the kind."""
    try:
        return (await client.list(kind, namespace)).items
    except NotFound:
        return []


async def leftovers(client: Client, gateway: str, ingress_class: str) -> list[tuple[Resource, Key]]:
    """The objects of a gateway whose KIngress is of another class now; and, where no KIngress is of the gateway's own
    class any longer, what its KIngresses shared and what no KIngress could own.
    """
    ingresses = await listed(client, INGRESSES)
    owners = {i["metadata"]["uid"] for i in ingresses if class_of(i) == ingress_class}
    found = [
        (kind, item)
        for kind in MADE[gateway]
        for item in await listed(client, kind)
        if controller(item).get("uid") in owners
    ]
    if gateway == "istio" and not any(class_of(i) == f"{gateway}{SUFFIX}" for i in ingresses):
        found += await _of_certificates(client)
    return [(kind, (item["metadata"]["namespace"], item["metadata"]["name"])) for kind, item in found]


async def _of_certificates(client: Client) -> list[tuple[Resource, Object]]:
    """Copies of certificates for Istio's gateways, and Gateways that share a wildcard's: its Secret owns those."""
    shared = [i for i in await listed(client, GATEWAYS) if controller(i).get("kind") == "Secret"]
    try:
        copies = (await client.list(SECRETS, labels=COPY_LABEL)).items
    except Forbidden:
        copies = []  # whoever may not read Secrets leaves them to the controller, which takes them away too
    return [(GATEWAYS, item) for item in shared] + [(SECRETS, item) for item in copies]


def class_of(item: Object) -> str:
    """The ingress class that an object names."""
    return kingress.class_of(notes(item))


async def naming(client: Client, ingress_class: str) -> tuple[str, ...]:
    """Objects of users that name a class themselves, so that config-network decides nothing about them."""
    found = [
        f"{kind.kind} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for kind in (KSERVICES, ROUTES, DOMAIN_MAPPINGS)
        for item in await listed(client, kind)
        if class_of(item) == ingress_class and not controller(item)
    ]
    return tuple(found)


async def world_of(client: Client, ingresses: Mapping[Key, KIngress], classes: frozenset[str]) -> World:
    """What routing works on, of the KIngresses of some classes."""
    slices: dict[Key, tuple[core.EndpointSlice, ...]] = {}
    for item in await listed(client, ENDPOINT_SLICES):
        found = core.parse({**item, "apiVersion": ENDPOINT_SLICES.api_version, "kind": ENDPOINT_SLICES.kind})
        if isinstance(found, core.EndpointSlice) and found.service[1]:
            slices[found.service] = (*slices.get(found.service, ()), found)
    secrets: dict[Key, Any] = {}
    for namespace, name in sorted(
        {(t.secret_namespace or key[0], t.secret_name) for key, i in ingresses.items() for t in i.spec.tls}
    ):
        try:
            item = await client.get(SECRETS, name, namespace)
        except (NotFound, Forbidden):
            continue  # missing on both gateways alike
        secrets[namespace, name] = core.parse({**item, "apiVersion": "v1", "kind": "Secret"})
    return World(
        {key: i for key, i in ingresses.items() if i.ingress_class in classes},
        _parsed(await listed(client, SERVICES), "Service"),
        slices,
        secrets,
        _parsed(await listed(client, CONFIG_MAPS, SYSTEM_NAMESPACE), "ConfigMap"),
    )


def _parsed(items: list[Object], kind: str) -> dict[Key, Any]:
    made = [core.parse({**item, "apiVersion": "v1", "kind": kind}) for item in items]
    return {item.key: item for item in made}


async def addresses(client: Client, gateway: str) -> str:
    """Where the world reaches a gateway, in words: DNS names or load balancers have to lead there."""
    maps = _parsed(await listed(client, CONFIG_MAPS, SYSTEM_NAMESPACE), "ConfigMap")
    settings = registry.load(gateway).settings(World(config_maps=maps))[0]
    said = []
    for namespace, name in _fronts(gateway, settings):
        try:
            item = await client.get(SERVICES, name, namespace)
        except NotFound:
            said.append(f"Service {namespace}/{name}, which is not there")
            continue
        found = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        outside = ", ".join(str(i.get("hostname") or i.get("ip")) for i in found)
        kind = (item.get("spec") or {}).get("type", "ClusterIP")
        said.append(f"{outside or f'no address outside ({kind})'} (Service {namespace}/{name})")
    return "; ".join(said)


def _fronts(gateway: str, settings: object) -> tuple[Key, ...]:
    """The outer gateway's Services, as the gateway's settings have them."""
    from knet.backends.contour.settings import Settings as Contour
    from knet.backends.istio.settings import Settings as Istio
    from knet.routing.table import Visibility

    if isinstance(settings, Istio):
        return tuple(sorted({g.service for g in settings.gateways.get(Visibility.EXTERNAL, ())}))
    if isinstance(settings, Contour) and kingress.EXTERNAL in settings.gateways:
        return (settings.gateways[kingress.EXTERNAL].service,)
    return FRONTS[gateway]
