"""Destinations to clusters: which port, which protocol, which addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knet import checks
from knet.backends.kourier.config import are_addresses, is_address
from knet.envoy.build.clusters import UpstreamTls, dns_cluster, eds_cluster
from knet.envoy.build.endpoints import load_assignment
from knet.envoy.build.options import HostPort
from knet.errors import Check
from knet.model.digits import whole
from knet.routing.table import Destination, EndpointGroup, Key, RoutingTable, Upstream, UpstreamPort

DISABLE_HTTP2 = "kourier.knative.dev/disable-http2"
"""Annotation of a KIngress: "true" in any case (facts/translation.md, kourier 6)."""

H2C_NAMES = frozenset(("http2", "h2c"))
H2C_PROTOCOL = "kubernetes.io/h2c"
FALLBACK_PORT = 80
"""What net-kourier dials where the Service has no such port (facts/translation.md, kourier 6)."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A destination's cluster and its endpoints (None: they come from DNS), serialised.

    `problem`: why nothing can be sent there, as check and words; the KIngress is then left out.
    `warning`: what is odd, though traffic flows.
    """

    name: str = ""
    cluster: bytes = b""
    endpoints: bytes | None = None
    problem: tuple[Check, str] | None = None
    warning: tuple[Check, str] | None = None


class Clusters:
    """The clusters of one rendering; each destination is looked at once."""

    def __init__(self, table: RoutingTable, ca_secret: str) -> None:
        self._upstreams = table.upstreams
        self._ca_secret = ca_secret
        self._known: dict[tuple[Key, int | str, bool, bool], Cluster] = {}

    def find(self, destination: Destination, *, plain: bool, http1: bool) -> Cluster:
        """The cluster of a destination.

        `plain`: without TLS even where upstreams have it. `http1`: without h2c even where the port says so.
        """
        plain = plain or not self._ca_secret
        key = (destination.key, destination.port, plain, http1)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(destination, plain=plain, http1=http1)
        return found

    def _make(self, destination: Destination, *, plain: bool, http1: bool) -> Cluster:
        upstream = self._upstreams.get(destination.key)
        service = f"Service {destination.namespace}/{destination.service}"
        if upstream is None:
            return Cluster(problem=(checks.MISSING_BACKEND, f"{service} does not exist"))
        if not upstream.ready:
            return Cluster(problem=(checks.NO_ENDPOINTS, f"{service} has no ready address"))
        port = find_port(upstream, destination.port)
        name = cluster_name(upstream, destination, port)
        if plain and self._ca_secret:
            name += "/plain"
        warning = None
        if port is None:
            said = f"{service} has no port {destination.port}; its pods are dialled at {FALLBACK_PORT}"
            warning = (checks.MISSING_PORT, said)
        h2 = any(map(_is_h2c, _spoken(upstream, port)))
        if h2 and http1:
            h2, name = False, name + "/http1"
        tls = None if plain else self._tls(destination.namespace)
        if upstream.external_name:
            target = HostPort(upstream.external_name, _legal(port.number) if port else FALLBACK_PORT)
            if not _is_dns_name(target.host):
                said = f'{service} has the external name "{target.host}", which is no DNS name'
                return Cluster(problem=(checks.MISSING_BACKEND, said))
            return Cluster(name, dns_cluster(name, target, h2=h2, tls=tls), warning=warning)
        addresses = _addresses(upstream, port)
        usable = addresses if are_addresses(addresses) else [a for a in addresses if is_address(a[0])]
        if usable is not addresses:
            if not usable:
                return Cluster(
                    problem=(checks.NO_ENDPOINTS, f"{service} has no address that is an IP address")
                )
            wrong = ", ".join(a for a, _ in addresses if not is_address(a))
            warning = (checks.BAD_ADDRESS, f"{service}: {wrong} is not an IP address and is left out")
        return Cluster(name, eds_cluster(name, h2=h2, tls=tls), load_assignment(name, usable), None, warning)

    def _tls(self, namespace: str) -> UpstreamTls:
        return UpstreamTls(self._ca_secret, ("kn-routing", f"kn-user-{namespace}"))


def is_http1(annotations: Mapping[str, str]) -> bool:
    """Whether a KIngress's annotations switch h2c off."""
    return annotations.get(DISABLE_HTTP2, "").lower() == "true"


def find_port(upstream: Upstream, wanted: int | str) -> UpstreamPort | None:
    """The Service port a split names: by number or name; digits in quotes are a number.

    An unnamed port takes any number, as in net-kourier (facts/translation.md, kourier 6).
    """
    if isinstance(wanted, str) and (number := whole(wanted)) is not None:
        wanted = number
    found = upstream.port(wanted)
    if found is None and isinstance(wanted, int):
        found = next((p for p in upstream.ports if not p.name), None)
    return found


def cluster_name(upstream: Upstream, destination: Destination, port: UpstreamPort | None) -> str:
    """`namespace/service` for the Service's main port, `namespace/service:port` for others.

    It follows from the Service alone, so that no other KIngress can change it. (`/plain` and `/http1` are
    added where a KIngress wants less than the Service offers.)
    """
    name = f"{destination.namespace}/{destination.service}"
    if port is not None and port is main_port(upstream):
        return name
    return f"{name}:{port.number if port else destination.port}"


def main_port(upstream: Upstream) -> UpstreamPort | None:
    """Port 80, else the first one named after http, else the first."""
    ports = upstream.ports
    if len(ports) < 2:
        return ports[0] if ports else None
    by_name = (p for p in ports if p.name.partition("-")[0] in ("http", "http1", "http2", "h2c"))
    return next((p for p in ports if p.number == FALLBACK_PORT), None) or next(by_name, ports[0])


def _is_h2c(port: UpstreamPort | None) -> bool:
    return port is not None and (port.name in H2C_NAMES or port.app_protocol == H2C_PROTOCOL)


def _spoken(upstream: Upstream, port: UpstreamPort | None) -> tuple[UpstreamPort | None, ...]:
    """The ports that tell what a port speaks: inside TLS it is what the Service's others speak."""
    inside = port is not None and port.name == "https" and not upstream.implied
    return upstream.ports if inside else (port,)


def _addresses(upstream: Upstream, port: UpstreamPort | None) -> list[tuple[str, int]]:
    """Every ready (address, port), each once, sorted as text."""
    found: set[tuple[str, int]] = set()
    for group in upstream.groups:
        number = _port(group, port)
        found.update([(address, number) for address in group.addresses])
    return sorted(found)


def _port(group: EndpointGroup, port: UpstreamPort | None) -> int:
    """Where the pods of one slice listen: its port of that name, else the number that the Service says."""
    if port is None:
        return FALLBACK_PORT
    for name, number in group.ports:
        if name == port.name and 0 < number < 65536:
            return number
    target = port.target if isinstance(port.target, int) else 0
    return target if 0 < target < 65536 else _legal(port.number)


def _legal(number: int) -> int:
    return number if 0 < number < 65536 else FALLBACK_PORT


def _is_dns_name(name: str) -> bool:
    return 0 < len(name) < 256 and all(c.isascii() and (c.isalnum() or c in "-_.:") for c in name)
