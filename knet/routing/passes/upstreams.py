"""Services and their endpoints to upstreams."""

from __future__ import annotations

import functools

from knet.model.core import EndpointPort, EndpointSlice, ServicePort
from knet.routing.table import EndpointGroup, Key, Upstream, UpstreamPort
from knet.routing.world import World

IMPLIED_PORTS = (
    UpstreamPort(80, "http", 8012, ""),
    UpstreamPort(81, "http2", 8013, ""),
    UpstreamPort(443, "https", 8112, ""),
)
"""What a revision's public Service has (facts/knative.md A.6)."""


def make_upstream(key: Key, world: World) -> Upstream | None:
    """The upstream a Service makes with its slices; None if there is no such Service."""
    service = world.services.get(key)
    if service is None:
        return Upstream(key, IMPLIED_PORTS, implied=True) if key in world.implied else None
    spec = service.spec
    ports = _service_ports(spec.ports)
    groups = tuple([g for s in world.endpoint_slices.get(key, ()) if (g := _group(s)).addresses])
    name = spec.external_name if spec.type == "ExternalName" else ""
    return Upstream(
        key, ports, groups, name, not groups and key in world.implied, service.metadata.annotations
    )


def _group(piece: EndpointSlice) -> EndpointGroup:
    if piece.address_type == "FQDN":
        return EndpointGroup((), ())
    addresses = {a for e in piece.endpoints if e.conditions.ready is not False for a in e.addresses}
    return EndpointGroup(tuple(sorted(addresses)), _named_ports(piece.ports))


@functools.lru_cache(maxsize=1024)
def _service_ports(ports: tuple[ServicePort, ...]) -> tuple[UpstreamPort, ...]:
    """Equal for nearly all Services of revisions: made once, and once in memory."""
    return tuple([UpstreamPort(p.port, p.name, p.target_port, p.app_protocol) for p in ports])


@functools.lru_cache(maxsize=1024)
def _named_ports(ports: tuple[EndpointPort, ...]) -> tuple[tuple[str, int], ...]:
    return tuple([(p.name, p.port) for p in ports])
