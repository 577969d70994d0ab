"""The activator's Envoy: listeners, the question to our own process, and the way to the pod that it names. Pure.

Where a request goes is metadata that only the answer to the question makes (`ext_authz`), and so is the pod's
address for the ORIGINAL_DST clusters: there is no header that a client could send instead. The whole configuration
is fixed, so that a revision needs none and nothing has to reach Envoy before a request may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from knet.dataplane import queue_tls
from knet.dataplane.activator_gate import Refusal
from knet.dataplane.activator_log import METADATA
from knet.dataplane.unsent import UNSENT
from knet.envoy.bootstrap import Tcp, Unix

_TYPES = "type.googleapis.com/envoy.extensions."
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANY = 2**31
"""Envoy's own limits are 1,024; ours are the gates'."""
_HEADERS, _HEADERS_KB = 1000, 1024
"""Of a request and of an answer, as a queue-proxy takes them."""
_EXT_AUTHZ = METADATA
H1, H2C = "h1", "h2c"
TLS = "tls"
"""The listener that asks for TLS; each connection says which protocol it speaks."""
USER_NAMES = "kn-user-"
"""How the names of queue-proxies' certificates begin; the namespace follows."""
_PODS = {H1: "pods-h1", H2C: "pods-h2c"}
CHECKS, AGENT, LOG = "checks", "agent", "log"
_PROBES = (
    {"name": "user-agent", "string_match": {"prefix": "kube-probe/"}},
    {"name": "k-kubelet-probe", "present_match": True},
)
_NO_HASH = 'a probe request must contain a non-empty "K-Network-Hash" header\n'
_REFUSALS = {
    Refusal.FULL: (503, "pending request queue full\n"),
    Refusal.LATE: (504, "activator request timeout\n"),
    Refusal.UNKNOWN: (404, "no such revision\n"),
}


@dataclass(frozen=True, slots=True)
class ActivatorBootstrap:
    """What Envoy is started with. `directory` holds its sockets: its admin interface and our three."""

    directory: Path
    listeners: Sequence[tuple[str, Tcp]]
    node: str = "activator"
    patience: int = field(default=3600)
    secure: bool = False
    """Pods are spoken to with TLS, and so is the listener `tls` (`queue_tls.write` has been called)."""

    @property
    def admin(self) -> Unix:
        return Unix(self.directory / "admin")

    def socket(self, name: str) -> Path:
        """Where our process answers questions (`checks`), health probes (`agent`) and hears the log (`log`)."""
        return self.directory / name

    def text(self) -> str:
        """The bootstrap as JSON."""
        return orjson.dumps(self.data()).decode()

    def data(self) -> dict[str, Any]:
        """The bootstrap as plain data."""
        own = (
            # a connection of `checks` that closes means that a client has gone: none may close by itself
            _cluster(CHECKS, _pipe(self.socket(CHECKS)), idle="0s"),
            _cluster(AGENT, _pipe(self.socket(AGENT))),
            _cluster(LOG, _pipe(self.socket(LOG)), http2=True, idle="0s"),
        )
        tls = self.directory if self.secure else None
        pods = (_pods(name, tls, http2=protocol == H2C) for protocol, name in _PODS.items())
        return {
            "node": {"id": self.node, "cluster": "activator"},
            "admin": {"address": _pipe(self.admin.path)},
            "static_resources": {
                "listeners": [self._listener(name, at) for name, at in self.listeners],
                "clusters": [*own, *pods],
            },
            "stats_flush_on_admin": True,
        }

    def _listener(self, name: str, at: Tcp) -> dict[str, Any]:
        manager = {
            "@type": _TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "http_protocol_options": {"accept_http_10": True, "enable_trailers": True},
            "http2_protocol_options": {"allow_connect": True},
            "common_http_protocol_options": {"max_headers_count": _HEADERS},
            "max_request_headers_kb": _HEADERS_KB,
            "stream_idle_timeout": "0s",
            "request_timeout": "0s",
            "generate_request_id": False,
            "server_header_transformation": "PASS_THROUGH",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "early_header_mutation_extensions": [_early()],
            "access_log": [_access_log()],
            "http_filters": [self._question(), _router()],
            "local_reply_config": {"mappers": list(_replies())},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes()}]},
        }
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        address = {"socket_address": {"address": at.host, "port_value": at.port}}
        chain: dict[str, Any] = {"filters": filters}
        if name == TLS:
            chain["transport_socket"] = queue_tls.server(self.directory)
        return {"name": name, "address": address, "filter_chains": [chain]}

    def _question(self) -> dict[str, Any]:
        """Asks our process; while that is started again, asks again: who is held stays held."""
        names = ("knative-serving-namespace", "knative-serving-revision")
        return {
            "name": _EXT_AUTHZ,
            "typed_config": {
                "@type": _TYPES + "filters.http.ext_authz.v3.ExtAuthz",
                "transport_api_version": "V3",
                "clear_route_cache": True,
                "status_on_error": {"code": 503},
                "allowed_headers": {"patterns": [{"exact": name, "ignore_case": True} for name in names]},
                "http_service": {
                    "server_uri": {
                        "uri": "http://activator",
                        "cluster": CHECKS,
                        "timeout": f"{self.patience}s",
                    },
                    "authorization_response": {
                        "allowed_upstream_headers": {"patterns": [{"exact": "k-proxy-request"}]},
                        "dynamic_metadata_from_headers": {"patterns": [{"prefix": "x-knet-"}]},
                    },
                    "retry_policy": {
                        "retry_on": "connect-failure,reset,refused-stream,reset-before-request",
                        "num_retries": 200,
                        # Envoy makes the longest pause the time for one try, too
                        "retry_back_off": {"base_interval": "0.025s", "max_interval": f"{self.patience}s"},
                    },
                },
            },
        }


def _routes() -> list[dict[str, Any]]:
    unasked = {"typed_per_filter_config": {_EXT_AUTHZ: _disabled()}}
    activator = {"name": "k-network-probe", "string_match": {"exact": "activator"}}
    ingress = {"name": "k-network-probe", "string_match": {"exact": "probe"}}
    other = {"name": "k-network-probe", "present_match": True}
    hashed = {"name": "k-network-hash", "string_match": {"safe_regex": {"regex": ".+"}}}
    back = {"header": {"key": "K-Network-Hash", "value": "%REQ(K-Network-Hash)%"}}
    made: list[dict[str, Any]] = [
        {"match": _match(activator), **_says(200, "activator"), **unasked},
        {"match": _match(ingress, hashed), **_says(200, ""), "response_headers_to_add": [back], **unasked},
        {"match": _match(ingress), **_says(400, _NO_HASH), **unasked},
        {"match": _match(other), **_says(400, "unexpected probe header value\n"), **unasked},
        *({"match": _match(probe), "route": {"cluster": AGENT}, **unasked} for probe in _PROBES),
    ]
    for protocol, cluster in _PODS.items():
        action = {
            "cluster": cluster,
            "timeout": "0s",
            "idle_timeout": "0s",
            # retried is only what the pod has certainly not seen; one that is not there is not asked again
            "retry_policy": {"retry_on": "reset-before-request,refused-stream", "num_retries": 2},
        }
        made.append({"match": _to(protocol), "route": action})
    made += [
        {"match": _to(refusal.value), **_says(status, text)} for refusal, (status, text) in _REFUSALS.items()
    ]
    return [*made, {"match": {"prefix": "/"}, **_says(503, "the activator has not decided\n")}]


def _match(*headers: dict[str, Any]) -> dict[str, Any]:
    return {"prefix": "/", "headers": [*headers]}


def _to(where: str) -> dict[str, Any]:
    said = {"filter": METADATA, "path": [{"key": "x-knet-to"}], "value": {"string_match": {"exact": where}}}
    return {"prefix": "/", "dynamic_metadata": [said]}


def _says(status: int, text: str) -> dict[str, Any]:
    body = {"body": {"inline_string": text}} if text else {}
    return {"direct_response": {"status": status, **body}}


def _disabled() -> dict[str, Any]:
    return {"@type": _TYPES + "filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": True}


def _replies() -> Iterable[dict[str, Any]]:
    """What Envoy says itself: nothing has been sent where no connection came about, or nobody decided."""
    unsent = {"header": {"key": UNSENT, "value": "1"}}
    yield {
        "filter": {"response_flag_filter": {"flags": ["UF", "UH", "UAEX"]}},
        "status_code": 503,
        "headers_to_add": [unsent],
    }
    yield {
        "filter": {"response_flag_filter": {"flags": ["UC", "UR", "LR", "URX", "UPE"]}},
        "status_code": 502,
    }


def _access_log() -> dict[str, Any]:
    """Every end of a request, at once: the next may wait for its place."""
    return {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": _TYPES + "access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "ended",
                "transport_api_version": "V3",
                "buffer_size_bytes": 0,
                "grpc_service": {"envoy_grpc": {"cluster_name": LOG}},
            },
            "additional_response_headers_to_log": [UNSENT],
        },
    }


def _early() -> dict[str, Any]:
    """Headers that would steer Envoy go: whoever sends them is no operator of it."""
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": _TYPES + "http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [
                {"remove_on_match": {"key_matcher": {"prefix": p}}} for p in ("x-envoy-", "x-knet-")
            ],
        },
    }


def _pods(name: str, tls: Path | None, *, http2: bool) -> dict[str, Any]:
    made = _cluster(name, {}, http2=http2)
    if tls is not None:
        made["transport_socket"] = queue_tls.client(tls, "h2" if http2 else "http/1.1")
    del made["load_assignment"]  # the pods come with the requests
    return {
        **made,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "1s",
        "original_dst_lb_config": {"metadata_key": {"key": METADATA, "path": [{"key": "x-knet-pod"}]}},
    }


def _cluster(name: str, at: dict[str, Any], *, http2: bool = False, idle: str = "") -> dict[str, Any]:
    most = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    explicit = (
        {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {"enable_trailers": True}}
    )
    options: dict[str, Any] = {
        "@type": _TYPES + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {
            "max_headers_count": _HEADERS,
            "max_response_headers_kb": _HEADERS_KB,
            **({"idle_timeout": idle} if idle else {}),
        },
        "explicit_http_config": explicit,
    }
    return {
        "name": name,
        "connect_timeout": "0.25s",
        "circuit_breakers": {"thresholds": [dict.fromkeys(most, _MANY)]},
        "typed_extension_protocol_options": {_HTTP_OPTIONS: options},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at}}]}],
        },
    }


def _router() -> dict[str, Any]:
    typed = {"@type": _TYPES + "filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": typed}


def _pipe(path: Path) -> dict[str, Any]:
    return {"pipe": {"path": str(path)}}
