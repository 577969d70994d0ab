"""A queue-proxy's settings as Envoy's bootstrap: listeners and clusters. Pure.

Written as JSON's data because xds-protos lacks two of the messages (facts/dataplane.md, pitfall 7). The
limit is a connection pool's: exact only with an explicit upstream protocol, which the port's name gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from knet.dataplane import queue_routes as routes
from knet.dataplane import queue_tls, queue_traces
from knet.dataplane.queue_routes import AGENT, HEADERS, HEADERS_KB, INNER, USER, two_steps
from knet.dataplane.queue_settings import Settings
from knet.dataplane.queue_stats import PREFIX
from knet.envoy.bootstrap import Unix

_TYPES = "type.googleapis.com/envoy.extensions."
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANY = 2**31
"""Envoy's own limits are 1,024; where Knative has none there is to be none."""
_DEPTH = 10
"""Knative's queue is ten times as long as the limit."""
SOURCE = "source"
_AGENT, _BRIDGE, _LOG = "agent", "bridge", "requests"
_ASK_AGAIN, _FOR_EVER = "0.02s", "1000000s"
"""Envoy asks again at once; the answer comes when there is one. (More than 2**31 ms is no time at all to it.)"""
_STREAMS = 100
"""How many streams one h2 connection to the user's container carries; most servers allow that many."""
_IDLE = "1s"
"""Idle connections to the user's container close before its own keep-alive does (gunicorn: 2 s), so that no
request is sent into one that is just being closed. On loopback a new one costs next to nothing."""


@dataclass(frozen=True, slots=True)
class QueueBootstrap:
    """What Envoy is started with. `directory` holds its sockets: its admin, our agent, a gRPC bridge."""

    settings: Settings
    directory: Path

    @property
    def admin(self) -> Unix:
        return Unix(self.directory / "admin")

    @property
    def agent(self) -> Path:
        """Where our own process answers probes."""
        return self.directory / _AGENT

    @property
    def bridge(self) -> Path:
        """Where probes by h2c go in as HTTP/1.1."""
        return self.directory / _BRIDGE

    @property
    def log(self) -> Path:
        """The pipe by which Envoy tells of requests, where there is a request log."""
        return self.directory / _LOG

    def text(self) -> str:
        """The bootstrap as JSON."""
        return orjson.dumps(self.data()).decode()

    def data(self) -> dict[str, Any]:
        """The bootstrap as plain data."""
        wanted = self.settings
        return {
            **_common(self.admin),
            "node": {"id": wanted.pod, "cluster": wanted.revision},
            "static_resources": {
                "listeners": listeners(wanted, self.directory),
                "clusters": clusters(wanted, self.directory),
            },
        }


@dataclass(frozen=True, slots=True)
class BlankBootstrap:
    """What an Envoy is started with that is to serve a pod that nobody knows yet.

    It asks our own process for listeners and clusters (`queue_spare`), which answers when it knows them.
    """

    directory: Path

    @property
    def admin(self) -> Unix:
        return Unix(self.directory / "admin")

    @property
    def source(self) -> Path:
        """Where our own process answers."""
        return self.directory / "source"

    def text(self) -> str:
        """The bootstrap as JSON."""
        asking = {
            "resource_api_version": "V3",
            "initial_fetch_timeout": "0s",
            "api_config_source": {
                "api_type": "REST",
                "transport_api_version": "V3",
                "cluster_names": [SOURCE],
                "refresh_delay": _ASK_AGAIN,
                "request_timeout": _FOR_EVER,
            },
        }
        return orjson.dumps(
            {
                **_common(self.admin),
                "node": {"id": "queue-proxy", "cluster": "queue-proxy"},
                "static_resources": {"clusters": [_cluster(SOURCE, _pipe(self.source))]},
                "dynamic_resources": {"cds_config": asking, "lds_config": asking},
            }
        ).decode()


def _common(admin: Unix) -> dict[str, Any]:
    patterns = [
        {"prefix": f"{PREFIX}."},
        {"suffix": "downstream_rq_active"},
        {"prefix": f"cluster.{USER}.upstream_rq_"},
        {"prefix": f"cluster.{INNER}.upstream_rq_"},
    ]
    return {
        "admin": {"address": _pipe(admin.path)},
        "stats_flush_on_admin": True,
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": patterns}}},
    }


def listeners(wanted: Settings, directory: Path) -> list[dict[str, Any]]:
    """Envoy's listeners. `directory` holds its sockets."""
    outer = routes.connection_manager(wanted, directory / _LOG)
    made = [_listener("main", _socket(wanted.address, wanted.port), outer)]
    if wanted.certificate:
        secure = _socket(wanted.address, wanted.tls_port)
        made.append(_listener("tls", secure, outer, directory))
    if two_steps(wanted):
        made.append(_listener(INNER, _pipe(directory / INNER), routes.inner_manager()))
    if ports := _bridged_ports(wanted):
        made.append(_listener("bridge", _pipe(directory / _BRIDGE), routes.probe_manager(ports)))
    return made


def clusters(wanted: Settings, directory: Path) -> list[dict[str, Any]]:
    """Envoy's clusters. `directory` holds its sockets."""
    user = _socket("127.0.0.1", wanted.user_port)
    made = [
        _cluster(USER, user, http2=wanted.http2, concurrency=wanted.concurrency),
    ]
    if two_steps(wanted):
        made.append(_cluster(INNER, _pipe(directory / INNER), http2=wanted.http2))
    made += [
        _cluster(routes.probe_cluster(p), _socket("127.0.0.1", p), http2=True) for p in _bridged_ports(wanted)
    ]
    if wanted.traces is not None:
        at = _socket(wanted.traces.host, wanted.traces.port)
        collector = _cluster(queue_traces.CLUSTER, at, http2=not wanted.traces.url)
        made.append({**collector, **queue_traces.cluster(wanted.traces)})
    # a spare Envoy hears of them while it serves: where a probe is answered, all that requests need is there
    return [*made, _cluster(AGENT, _pipe(directory / _AGENT))]


def practice(directory: Path) -> list[dict[str, Any]]:
    """A listener like a real one that nobody finds: with it Envoy has done everything once before it
    matters, which makes the real one about 4 ms of CPU cheaper.
    """
    wanted = Settings("-", "-", "-", "-", "127.0.0.1", 1, 1)
    return [_listener("practice", _pipe(directory / "practice"), routes.connection_manager(wanted))]


def _bridged_ports(wanted: Settings) -> list[int]:
    return sorted({probe.port for probe in wanted.probes if probe.bridged})


def limits(concurrency: int, *, http2: bool) -> tuple[dict[str, int], int]:
    """Circuit breakers, and streams on a connection, that let `concurrency` requests through. 0: no limit.

    h1: as many connections. h2: connections × streams is the limit, with no more streams on one than
    most servers allow; so for more than 100 the streams are the limit's largest divisor up to 100.
    """
    most = {"max_requests": _MANY, "max_retries": _MANY}
    if not concurrency:
        return {**most, "max_connections": _MANY, "max_pending_requests": _MANY}, 0
    streams = next(s for s in range(min(concurrency, _STREAMS), 0, -1) if concurrency % s == 0)
    connections = concurrency // streams if http2 else concurrency
    return {
        **most,
        "max_connections": connections,
        "max_pending_requests": _DEPTH * concurrency,
    }, streams


def _cluster(
    name: str, address: dict[str, Any], *, http2: bool = False, concurrency: int = 0
) -> dict[str, Any]:
    breakers, streams = limits(concurrency, http2=http2)
    h2 = {"max_concurrent_streams": streams} if streams else {}
    protocol = (
        {"http2_protocol_options": h2} if http2 else {"http_protocol_options": {"enable_trailers": True}}
    )
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "circuit_breakers": {"thresholds": [breakers]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": _TYPES + "upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {
                    "idle_timeout": _IDLE,
                    "max_headers_count": HEADERS,
                    "max_response_headers_kb": HEADERS_KB,
                },
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _listener(
    name: str, address: dict[str, Any], manager: dict[str, Any], tls: Path | None = None
) -> dict[str, Any]:
    chain: dict[str, Any] = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": _TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
                    **manager,
                },
            }
        ]
    }
    if tls is not None:
        chain["transport_socket"] = queue_tls.server(tls)
    # two programs on one port must not share its traffic silently
    return {"name": name, "address": address, "enable_reuse_port": False, "filter_chains": [chain]}


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _pipe(path: Path) -> dict[str, Any]:
    return {"pipe": {"path": str(path)}}
