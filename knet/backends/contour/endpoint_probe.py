"""The child KIngress that has Envoy load endpoints before traffic is sent to them.

It lives only until its own hosts answer, so `render` does not print it; the controller makes it, waits, and
deletes it. facts/translation.md part 1, contour 10; part 2, Contour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.backends.contour.httpproxies import CLASS_KEY, PREFIX
from knet.backends.contour.placement import visibility_of
from knet.backends.contour.settings import Settings
from knet.backends.loading import Loaded, child_of, rules_of
from knet.model.kingress import EXTERNAL, IngressSpec, IngressTLS, KIngress
from knet.routing.passes.rows import REDIRECTED
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Visibility

PROBE_ANNOTATION = f"{PREFIX}/endpointsProbe"
_DOMAIN = "net-contour.invalid"


def endpoint_probe(
    ingress: IngressTable, settings: Settings, serving: Iterable[Mapping[str, Any]] = ()
) -> KIngress:
    """The child: one rule for each Service and visibility, on a host of this generation.

    Services first seen under a path have none. `serving`: HTTPProxies of older generations as observed;
    the Services of valid ones are probed too, so that they stay loaded until traffic has moved.
    """
    probed = _services(ingress)
    _add_serving(probed, serving, settings)
    rules = rules_of(ingress, {n: p for n, p in probed.items() if not p.under_path}, _DOMAIN)
    hosts = tuple(host for rule in rules for host in rule.hosts)
    tls = _tls(ingress, hosts)
    redirected = ingress.http_option == REDIRECTED and bool(tls or settings.default_secret)
    spec = IngressSpec(
        rules=rules, tls=tls if redirected else (), http_option=REDIRECTED if redirected else "Enabled"
    )
    return child_of(ingress, spec, PROBE_ANNOTATION)


def _services(ingress: IngressTable) -> dict[str, Loaded]:
    probed: dict[str, Loaded] = {}
    for row in ingress.rows:
        for route in row.routes:
            for split in () if route.probe else route.splits:
                where = split.destination
                found = probed.setdefault(
                    where.service, Loaded(where.port, route.host_rewrite, bool(route.match.path))
                )
                found.visibilities.add(visibility_of(row))
    return probed


def _add_serving(probed: dict[str, Loaded], serving: Iterable[Mapping[str, Any]], settings: Settings) -> None:
    visibility_by_class = {g.class_name: v for v, g in settings.gateways.items()}
    for proxy in serving:
        if proxy.get("status", {}).get("currentStatus") != "valid":
            continue
        visibility = visibility_by_class.get(proxy["metadata"].get("labels", {}).get(CLASS_KEY, ""))
        if visibility is None:
            continue  # of a Contour that is no longer configured: nothing of it can be probed
        for route in proxy["spec"].get("routes", ()):
            for service in route.get("services", ()):
                found = probed.setdefault(service["name"], Loaded(service["port"]))
                found.visibilities.add(visibility)


def _tls(ingress: IngressTable, hosts: tuple[str, ...]) -> tuple[IngressTLS, ...]:
    """The certificates of external hosts, for all probe hosts."""
    external = [row for row in ingress.rows if visibility_of(row) == EXTERNAL]
    return tuple(
        IngressTLS(hosts=hosts, secret_name=entry.secret[1], secret_namespace=entry.secret[0])
        for _, entry in select(external, ingress.tls, Visibility.EXTERNAL)
    )
