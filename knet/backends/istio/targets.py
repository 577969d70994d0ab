"""Where a prober has to ask to know that Istio's gateways serve a KIngress (facts/translation.md part 2, Istio).

`probe_targets` is what net-istio asks; `more_targets` what it leaves out, though requests go there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knet.backends.istio.gateways import HTTPS_PORTS
from knet.backends.istio.settings import Settings
from knet.model.core import EndpointSlice, Service
from knet.routing.passes.hosts import expand
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Key, Visibility
from knet.routing.world import World

SCHEMES = {"HTTP": "http", "HTTPS": "https"}


@dataclass(frozen=True, slots=True)
class Target:
    """Gateway pods to ask for one URL: their addresses and port, and the port of their Service.

    One URL is enough: all hosts of a gateway stand in one VirtualService, which Istio takes whole.
    """

    pod_ips: tuple[str, ...]
    pod_port: int
    port: int
    url: str


def probe_targets(
    ingress: IngressTable, settings: Settings, gateways: Mapping[Key, Mapping[str, Any]], world: World
) -> tuple[Target, ...]:
    """The targets of a KIngress, by the names of the configured gateways.

    `gateways` are the cluster's `networking.istio.io` Gateways as plain data; the shared ones are asked,
    also where the KIngress has its own. One that does not exist has no target, nor has a server that
    redirects to https or whose port no Service with the gateway's labels has.
    """
    made: list[Target] = []
    for key, hosts in sorted(_hosts(ingress, settings).items()):
        spec = gateways.get(key, {}).get("spec", {})
        services = _services(world, spec.get("selector", {}))
        for server in spec.get("servers", ()):
            made += _of_server(server, min(hosts), services, world)
    return tuple(made)


def more_targets(
    ingress: IngressTable, settings: Settings, gateways: Mapping[Key, Mapping[str, Any]], world: World
) -> tuple[Target, ...]:
    """What has to answer besides `probe_targets`, whose arguments these are.

    A shared gateway whose labels no Service carries is asked through the Service that config-istio names for it:
    that is how upstream's knative-local-gateway stands. And certificates are served by gateways of the KIngress's own,
    which are asked over https. (Those for inside are not: pods may stand elsewhere than the Service for inside.)
    """
    configured = {g.key: g.service for found in settings.gateways.values() for g in found}
    made: list[Target] = []
    for key, hosts in sorted(_hosts(ingress, settings).items()):
        spec, service = gateways.get(key, {}).get("spec", {}), world.services.get(configured[key])
        services = _services(world, spec.get("selector", {}))
        for server in spec.get("servers", ()):
            if service and not any(_of_server(server, min(hosts), services, world)):
                made += _of_server(server, min(hosts), (service,), world, translated=False)
    outer = settings.chosen(Visibility.EXTERNAL, ingress.origin.labels)
    fronts = [world.services[k] for k in dict.fromkeys(g.service for g in outer) if k in world.services]
    for row, _ in select(ingress.rows, ingress.tls, Visibility.EXTERNAL):
        server = {"port": {"number": HTTPS_PORTS[Visibility.EXTERNAL], "protocol": "HTTPS"}}
        made += _of_server(server, min(row.hosts), fronts, world)
    return tuple(dict.fromkeys(made))


def _hosts(ingress: IngressTable, settings: Settings) -> dict[Key, set[str]]:
    """The hosts that each configured gateway serves, in all their forms."""
    found: dict[Key, set[str]] = {}
    for row in ingress.rows:
        hosts = {form for host in row.hosts for form in expand(host)}
        if hosts:
            for gateway in settings.chosen(row.visibility, ingress.origin.labels):
                found.setdefault(gateway.key, set()).update(hosts)
    return found


def _services(world: World, labels: Mapping[str, str]) -> list[Service]:
    """Services that carry a gateway's labels: of a gateway without labels there are none."""
    return [
        service
        for _, service in sorted(world.services.items())
        if labels and labels.items() <= service.metadata.labels.items()
    ]


def _of_server(
    server: Mapping[str, Any],
    host: str,
    services: Iterable[Service],
    world: World,
    *,
    translated: bool = True,
) -> Iterator[Target]:
    """The pods behind a server. Its port is the Services', or their pods' where Istio does not translate it."""
    port = server.get("port", {})
    number, scheme = port.get("number"), SCHEMES.get(port.get("protocol", ""))
    if scheme is None or server.get("tls", {}).get("httpsRedirect"):
        return
    for service in services:
        name = next(
            (p.name for p in service.spec.ports if number == (p.port if translated else p.target_port)), None
        )
        if name is not None:
            for addresses, pod_port in _pods(world.endpoint_slices.get(service.key, ()), name):
                yield Target(addresses, pod_port, number, f"{scheme}://{host}:{number}")


def _pods(slices: Iterable[EndpointSlice], port_name: str) -> Iterator[tuple[tuple[str, ...], int]]:
    for piece in slices:
        ready = {a for e in piece.endpoints if e.conditions.ready is not False for a in e.addresses}
        for port in piece.ports:
            if port.name == port_name and ready:
                yield tuple(sorted(ready)), port.port
