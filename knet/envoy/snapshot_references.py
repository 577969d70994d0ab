"""Which other resources a serialised resource names: read once for each changed resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from google.protobuf.message import DecodeError

from knet.envoy.snapshot_types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPE, SECRET, Ref


def references(type_url: str, name: str, body: bytes) -> tuple[Ref, ...]:
    """The resources that one names, each once, in order of appearance.

    Only references that Envoy resolves over ADS count: a cluster's endpoints where it is of type
    EDS, clusters of routes, the RouteConfiguration of a scope or listener, secrets of TLS contexts.
    Raises ValueError if `body` cannot be parsed as `type_url`.
    """
    reader = _READERS.get(type_url)
    if reader is None:
        return ()
    message_type, read = reader
    try:
        message = message_type.FromString(body)
    except DecodeError as error:
        raise ValueError(f"{name} is not a {type_url.rpartition('.')[2]}: {error}") from error
    found = read(message)
    return found if isinstance(found, tuple) else tuple(dict.fromkeys(found))


def _cluster(cluster: Any) -> Iterator[Ref]:
    if cluster.type == cluster_pb2.Cluster.EDS:
        yield ENDPOINT, cluster.eds_cluster_config.service_name or cluster.name
    yield from _socket(cluster.transport_socket, tls_pb2.UpstreamTlsContext)
    for match in cluster.transport_socket_matches:
        yield from _socket(match.transport_socket, tls_pb2.UpstreamTlsContext)


@lru_cache(256)
def _leads_to(route_configuration: str) -> tuple[Ref, ...]:
    """What the scopes of one KIngress, which come one after the other, all name."""
    return ((ROUTE, route_configuration),)


def _scope(scope: Any) -> Iterable[Ref]:
    if name := scope.route_configuration_name:  # the two exclude one another
        return _leads_to(name)
    return _routes(scope.route_configuration)


def _routes(configuration: Any) -> Iterator[Ref]:
    for host in configuration.virtual_hosts:
        for route in host.routes:
            if route.HasField("route"):
                yield from _action(route.route)
        for mirror in host.request_mirror_policies:
            if mirror.cluster:
                yield CLUSTER, mirror.cluster


def _action(action: Any) -> Iterator[Ref]:
    kind = action.WhichOneof("cluster_specifier")
    if kind == "cluster":
        yield CLUSTER, action.cluster
    elif kind == "weighted_clusters":
        for split in action.weighted_clusters.clusters:
            if split.name:
                yield CLUSTER, split.name
    for mirror in action.request_mirror_policies:
        if mirror.cluster:
            yield CLUSTER, mirror.cluster


def _listener(listener: Any) -> Iterator[Ref]:
    chains = list(listener.filter_chains)
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        yield from _socket(chain.transport_socket, tls_pb2.DownstreamTlsContext)
        yield from _connection_managers(chain.filters)


def _connection_managers(filters: Iterable[Any]) -> Iterator[Ref]:
    for found in filters:
        manager = hcm.HttpConnectionManager()
        if not found.typed_config.Unpack(manager):
            continue
        kind = manager.WhichOneof("route_specifier")
        if kind == "rds":
            yield ROUTE, manager.rds.route_config_name
        elif kind == "route_config":
            yield from _routes(manager.route_config)


def _socket(socket: Any, context_type: Any) -> Iterator[Ref]:
    context = context_type()
    if not socket.typed_config.Unpack(context):
        return
    common = context.common_tls_context
    configs = list(common.tls_certificate_sds_secret_configs)
    if common.HasField("validation_context_sds_secret_config"):
        configs.append(common.validation_context_sds_secret_config)
    if common.HasField("combined_validation_context"):
        configs.append(common.combined_validation_context.validation_context_sds_secret_config)
    for config in configs:
        # without a source the secret is one of the bootstrap's own
        if config.name and config.HasField("sds_config"):
            yield SECRET, config.name


_READERS: dict[str, tuple[Any, Callable[[Any], Iterable[Ref]]]] = {
    CLUSTER: (cluster_pb2.Cluster, _cluster),
    LISTENER: (listener_pb2.Listener, _listener),
    SCOPE: (scoped_route_pb2.ScopedRouteConfiguration, _scope),
    ROUTE: (route_pb2.RouteConfiguration, _routes),
}
