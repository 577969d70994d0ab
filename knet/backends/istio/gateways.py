"""Gateways of a KIngress's own, and those that share a wildcard certificate (istio 8, 9, 11, 12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from knet.backends.istio import names
from knet.backends.istio.secrets import Certificates, credential
from knet.backends.istio.settings import GatewayRef, Settings
from knet.backends.istio.virtualservices import INGRESS_LABEL, owner
from knet.model.meta import controlled_by
from knet.routing.table import Certificate, IngressTable, Key, Visibility

HTTPS_PORTS = {Visibility.EXTERNAL: 443, Visibility.INTERNAL: 8444}


def http_server(ingress: IngressTable) -> dict[str, Any]:
    """The plain HTTP server for all external hosts; empty where httpOption is unset, as upstream."""
    if not ingress.http_option:
        return {}
    hosts = sorted(
        {host for row in ingress.rows if row.visibility is Visibility.EXTERNAL for host in row.hosts}
    )
    server: dict[str, Any] = {
        "hosts": hosts,
        "port": {"name": "http-server", "number": 80, "protocol": "HTTP"},
    }
    if ingress.http_option == "Redirected":
        server["tls"] = {"httpsRedirect": True}
    return server


def own_gateways(
    ingress: IngressTable,
    found: Certificates,
    gateways: Iterable[GatewayRef],
    settings: Settings,
    *,
    visibility: Visibility,
    extra: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """One Gateway for each gateway Service, with a TLS server for each certificate, then `extra`."""
    origin = ingress.origin
    for service in dict.fromkeys(g.service for g in gateways):
        servers = _tls_servers(ingress, found, service, visibility) + extra
        local = visibility is Visibility.INTERNAL
        yield _gateway(
            {
                "name": names.gateway_name(origin.name, service, local=local),
                "namespace": origin.namespace,
                "labels": {INGRESS_LABEL: origin.name},
                "ownerReferences": [owner(origin)],
            },
            settings.selectors[service],
            servers,
        )


def _tls_servers(
    ingress: IngressTable, found: Certificates, service: Key, visibility: Visibility
) -> list[dict[str, Any]]:
    origin = ingress.origin
    prefix = f"{origin.namespace}/{names.label(origin.name)}"
    servers = [
        {
            "hosts": list(entry.hosts),
            "port": {"name": f"{prefix}:{i}", "number": HTTPS_PORTS[visibility], "protocol": "HTTPS"},
            "tls": {
                "credentialName": credential(origin.name, found.plain[entry.secret], service[0]),
                "mode": "SIMPLE",
            },
        }
        for i, entry in enumerate(found.entries)
    ]
    return sorted(servers, key=_port_name)


def _port_name(server: dict[str, Any]) -> str:
    name: str = server["port"]["name"]
    return name


def wildcard_gateways(
    found: Certificates, gateways: Iterable[GatewayRef], settings: Settings
) -> Iterator[dict[str, Any]]:
    """One Gateway for each wildcard certificate and gateway Service, in the Secret's namespace."""
    services = tuple(dict.fromkeys(g.service for g in gateways))
    for held in found.wildcard.values():
        for service in services:
            yield _gateway(
                {
                    "name": names.wildcard_name(held.key[1], service),
                    "namespace": held.key[0],
                    "ownerReferences": [_secret_owner(held)],
                },
                settings.selectors[service],
                [
                    {
                        "hosts": list(held.dns_names),
                        "port": {"name": "https", "number": 443, "protocol": "HTTPS"},
                        "tls": {"credentialName": _wildcard_credential(held, service), "mode": "SIMPLE"},
                    }
                ],
            )


def _wildcard_credential(held: Certificate, service: Key) -> str:
    return held.key[1] if held.key[0] == service[0] else names.wildcard_copy(held.key)


def _secret_owner(held: Certificate) -> dict[str, Any]:
    return controlled_by("v1", "Secret", held.key[1], held.uid)


def _gateway(metadata: dict[str, Any], selector: Any, servers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "Gateway",
        "metadata": metadata,
        "spec": {"selector": dict(selector), "servers": servers},
    }


def qualified(gateway: dict[str, Any]) -> str:
    """`namespace/name`."""
    return f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
