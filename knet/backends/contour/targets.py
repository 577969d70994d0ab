"""Where a prober has to ask to know that the Envoys serve a KIngress (facts/translation.md part 2, Contour)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knet.backends.contour.placement import visibility_of
from knet.backends.contour.settings import Gateway, Settings
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.passes.hosts import expand
from knet.routing.passes.rows import REDIRECTED
from knet.routing.table import IngressTable


@dataclass(frozen=True, slots=True)
class Target:
    """Envoys to ask for every URL: their addresses and port, and the port of their Service."""

    pod_ips: tuple[str, ...]
    pod_port: int
    port: int
    urls: tuple[str, ...]


def probe_targets(ingress: IngressTable, settings: Settings) -> tuple[Target, ...]:
    """The targets, outside before inside. External hosts are asked by https only if http is redirected.

    Gateways without a Service, and those without ready Envoys, have none.
    """
    made: list[Target] = []
    for visibility in (EXTERNAL, CLUSTER_LOCAL):
        hosts = {
            form
            for row in ingress.rows
            if visibility_of(row) == visibility
            for host in row.hosts
            for form in expand(host)
        }
        secure = visibility == EXTERNAL and ingress.http_option == REDIRECTED
        urls = tuple(sorted(f"{'https' if secure else 'http'}://{host}" for host in hosts))
        if urls:
            made += _of_gateway(settings.gateways[visibility], 443 if secure else 80, urls)
    return tuple(made)


def _of_gateway(gateway: Gateway, port: int, urls: tuple[str, ...]) -> Iterator[Target]:
    upstream = gateway.upstream
    found = upstream.port(port) if upstream else None
    if upstream is None or found is None:
        return
    for group in upstream.groups:
        for name, pod_port in group.ports:
            if name == found.name:
                yield Target(group.addresses, pod_port, port, urls)
