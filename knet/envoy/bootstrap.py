"""Envoy's bootstrap: where the control plane is, and what 10,000 services need (facts/envoy-xds.md, 2).

A pure function of its settings, written as plain data; JSON is what Envoy is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knet.text import json

XDS_CLUSTER = "xds"
ADMIN_CLUSTER = "admin"
_CERTIFICATE, _AUTHORITY = "certificate.json", "authority.json"
_TYPES = "type.googleapis.com/envoy.extensions."


@dataclass(frozen=True, slots=True)
class Tcp:
    """An address of the network. Port 0 lets the kernel choose one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Unix:
    """A socket in the file system."""

    path: Path


Address = Tcp | Unix


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files of the gateway: its chain and key, the authority of the server, and the server's name.

    `watched`: the directory in which Envoy finds the files of `Bootstrap.files`, by which it reads the PEM files anew
    when they are replaced (in Kubernetes: when a Secret's mount is). None: they are read once.
    """

    chain: Path
    key: Path
    server_authority: Path
    server_name: str
    watched: Path | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What a gateway needs to know before it has heard from the control plane.

    `xds` is one control plane, or several that say the same: another is asked when one goes.
    `admin` must not be reachable from outside: it can end the process. `stats` are regular expressions of
    the stats that are kept: by default all but those of RouteConfigurations and of Services' clusters (their
    names have a slash; without them 10,000 KIngresses load in 4.6 s instead of 7.5 s and take 220 MB less),
    and of these what canaries are judged by, which Envoy makes with a cluster's first request.
    """

    node_id: str
    xds: Address | tuple[Address, ...]
    admin: Address = Tcp("127.0.0.1", 0)
    cluster: str = "knet"
    tls: ClientTls | None = None
    statistics: Tcp | None = None
    """Where `/stats` of the admin interface can be read from elsewhere, and nothing else of it."""
    stats: tuple[str, ...] = (r"[^/]*|cluster\.[^.]*\.upstream_rq_(completed|5xx|time)",)
    """One expression: two take a fifth more CPU while 3,000 KIngresses load, this one nothing that shows."""

    def data(self) -> dict[str, Any]:
        """The bootstrap as plain data."""
        return {
            "node": {"id": self.node_id, "cluster": self.cluster},
            "admin": {"address": _address(self.admin)},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    # else every ACK carries 61 kB of what this Envoy can do
                    "set_node_on_first_message_only": True,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
                },
                "cds_config": {"ads": {}, "resource_api_version": "V3"},
                "lds_config": {"ads": {}, "resource_api_version": "V3"},
            },
            "static_resources": self._static(),
            # 20,000 clusters: 13 s to load and 0.4 s of standstill at every flush without these
            "deferred_stat_options": {"enable_deferred_creation_stats": True},
            "stats_flush_on_admin": True,
            "stats_config": {
                "stats_matcher": {
                    "inclusion_list": {"patterns": [{"safe_regex": {"regex": one}} for one in self.stats]}
                }
            },
        }

    def text(self) -> str:
        """The bootstrap as JSON."""
        return json.pretty(self.data())

    def _static(self) -> dict[str, Any]:
        clusters = [self._xds_cluster()]
        if self.statistics is None:
            return {"clusters": clusters}
        endpoint = {"endpoint": {"address": _address(self.admin)}}
        assignment = {"cluster_name": ADMIN_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]}
        clusters.append({"name": ADMIN_CLUSTER, "type": "STATIC", "load_assignment": assignment})
        return {"clusters": clusters, "listeners": [_statistics(self.statistics)]}

    def files(self) -> dict[str, str]:
        """By name, what has to be in the directory `tls.watched`."""
        if self.tls is None or self.tls.watched is None:
            return {}
        return {
            _CERTIFICATE: _sds("certificate", tls_certificate=_watching(self.tls, _certificate(self.tls))),
            _AUTHORITY: _sds("authority", validation_context=_watching(self.tls, _authority(self.tls))),
        }

    def _xds_cluster(self) -> dict[str, Any]:
        planes = self.xds if isinstance(self.xds, tuple) else (self.xds,)
        endpoints = [{"endpoint": {"address": _address(plane)}} for plane in planes]
        numeric = all(map(_numeric, planes))
        cluster: dict[str, Any] = {
            "name": XDS_CLUSTER,
            "type": "STATIC" if numeric else "STRICT_DNS",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": _TYPES + "upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {
                        "http2_protocol_options": {
                            # a control plane that vanished without a word is noticed
                            "connection_keepalive": {"interval": "30s", "timeout": "5s"}
                        }
                    },
                }
            },
            "load_assignment": {
                "cluster_name": XDS_CLUSTER,
                "endpoints": [{"lb_endpoints": endpoints}],
            },
        }
        if self.tls is not None:
            cluster["transport_socket"] = _transport_socket(self.tls)
        return cluster


def _address(address: Address) -> dict[str, Any]:
    if isinstance(address, Unix):
        return {"pipe": {"path": str(address.path)}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _statistics(address: Tcp) -> dict[str, Any]:
    """A listener that lets GET /stats through to the admin interface; the path is matched whole."""
    route = {
        "match": {"path": "/stats", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
        "route": {"cluster": ADMIN_CLUSTER},
    }
    host = {"name": "statistics", "domains": ["*"], "routes": [route]}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": _TYPES + "filters.http.router.v3.Router"},
    }
    manager = {
        "@type": _TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "statistics",
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": "statistics",
        "address": _address(address),
        "filter_chains": [{"filters": filters}],
    }


def _numeric(address: Address) -> bool:
    return isinstance(address, Unix) or address.host.replace(".", "").isdigit() or ":" in address.host


def _transport_socket(tls: ClientTls) -> dict[str, Any]:
    context: dict[str, Any] = {"alpn_protocols": ["h2"]}
    if tls.watched is None:
        context["tls_certificates"] = [_certificate(tls)]
        context["validation_context"] = _authority(tls)
    else:
        context["tls_certificate_sds_secret_configs"] = [_by_file("certificate", tls.watched / _CERTIFICATE)]
        context["validation_context_sds_secret_config"] = _by_file("authority", tls.watched / _AUTHORITY)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": _TYPES + "transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": tls.server_name,
            "common_tls_context": context,
        },
    }


def _certificate(tls: ClientTls) -> dict[str, Any]:
    return {
        "certificate_chain": {"filename": str(tls.chain)},
        "private_key": {"filename": str(tls.key)},
    }


def _authority(tls: ClientTls) -> dict[str, Any]:
    return {
        "trusted_ca": {"filename": str(tls.server_authority)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": tls.server_name}}],
    }


def _watching(tls: ClientTls, part: dict[str, Any]) -> dict[str, Any]:
    """A part of a secret that is read anew when something is moved into the directory of its files."""
    return {**part, "watched_directory": {"path": str(tls.chain.parent)}}


def _by_file(name: str, path: Path) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def _sds(name: str, **secret: Any) -> str:
    kind = _TYPES + "transport_sockets.tls.v3.Secret"
    return json.pretty({"resources": [{"@type": kind, "name": name, **secret}]})
