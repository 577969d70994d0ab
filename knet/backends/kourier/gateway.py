"""What the gateway has whatever the KIngresses say: listeners, its status host, and its operator's services."""

from __future__ import annotations

from knet.backends.kourier.legal import STATUS_HOST
from knet.backends.kourier.settings import CA_SECRET, Settings
from knet.backends.kourier.tls import chains
from knet.envoy.build import secrets
from knet.envoy.build.clusters import UpstreamTls, dns_cluster
from knet.envoy.build.filters import AUTHZ_CLUSTER
from knet.envoy.build.hcm import TRACING_CLUSTER
from knet.envoy.build.listeners import Bind, Chain, http_listener, https_listener
from knet.envoy.build.routes import status_configuration
from knet.envoy.build.scopes import Scopes
from knet.errors import Diagnostic
from knet.routing.table import Certificate, RoutingTable, Visibility

STATUS_CONFIGURATION = f"rc/{STATUS_HOST}"
Sections = dict[str, dict[str, bytes]]


def gateway_resources(table: RoutingTable, settings: Settings) -> tuple[Sections, list[Diagnostic]]:
    """The gateway's own resources by section, and what is wrong with its TLS server names."""
    listeners, problems = _listeners(table, settings)
    return {
        "listeners": listeners,
        "scopedRoutes": dict([Scopes(STATUS_CONFIGURATION).of("int", STATUS_HOST)]),
        "routes": {STATUS_CONFIGURATION: status_configuration(STATUS_CONFIGURATION, STATUS_HOST)},
        "clusters": _clusters(settings),
        "secrets": _secrets(settings),
    }, problems


def _listeners(table: RoutingTable, settings: Settings) -> tuple[dict[str, bytes], list[Diagnostic]]:
    ports, made = settings.ports, {}
    outer, wrong_outer = chains(table, Visibility.EXTERNAL)
    inner, wrong_inner = chains(table, Visibility.INTERNAL)
    outer += _default(settings, settings.default_certificate)
    inner += _default(settings, settings.internal_certificate)
    for side, port, probe in (
        ("ext", ports.external_http, False),
        ("int", ports.internal_http, False),
        # probes are answered, not redirected, whatever the KIngress says about plain http
        ("ext", ports.probe_http, True),
    ):
        if port:
            bind = _bind(settings, port, proxied=port == ports.external_http)
            made[bind.name] = http_listener(bind, side, settings.http, https=probe)
    for side, port, found in (
        ("ext", ports.external_https, outer),
        ("int", ports.internal_https, inner),
        ("ext", ports.probe_https, outer),
    ):
        if port and found:
            bind = _bind(settings, port, proxied=port == ports.external_https)
            made[bind.name] = https_listener(bind, side, settings.http, settings.tls, found)
    return made, wrong_outer + wrong_inner


def _bind(settings: Settings, port: int, *, proxied: bool) -> Bind:
    """Load balancers with the proxy protocol stand in front of the outer listeners only."""
    return Bind(f"listener_{port}", settings.addresses, port, proxied and settings.proxy_protocol)


def _default(settings: Settings, certificate: Certificate | None) -> tuple[Chain, ...]:
    """The chain for server names that no KIngress brings a certificate for; it comes last."""
    return (Chain(_default_name(settings, certificate)),) if certificate else ()


def _default_name(settings: Settings, certificate: Certificate) -> str:
    name = "/".join(certificate.key)
    return f"{name}/cryptomb" if settings.cryptomb else name


def _secrets(settings: Settings) -> dict[str, bytes]:
    made = {}
    for held in (settings.default_certificate, settings.internal_certificate):
        if held:
            name = _default_name(settings, held)
            made[name] = secrets.certificate(name, held.chain_pem, held.key_pem, cryptomb=settings.cryptomb)
    if settings.ca_pem:
        name = "/".join(CA_SECRET)
        made[name] = secrets.trusted_ca(name, settings.ca_pem)
    return made


def _clusters(settings: Settings) -> dict[str, bytes]:
    made = {}
    if authz := settings.http.ext_authz:
        made[AUTHZ_CLUSTER] = dns_cluster(
            AUTHZ_CLUSTER,
            authz.target,
            h2=authz.protocol == "grpc",
            h1=authz.protocol != "grpc",
            tls=UpstreamTls(server_name=authz.target.host) if authz.protocol == "https" else None,
            logical=False,
        )
    if tracing := settings.http.tracing:
        made[TRACING_CLUSTER] = dns_cluster(
            TRACING_CLUSTER,
            tracing.target,
            h2=tracing.protocol == "grpc",
            tls=UpstreamTls(server_name=tracing.target.host) if tracing.tls else None,
            logical=False,
        )
    return made
