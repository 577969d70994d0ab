"""ClusterLoadAssignments: the addresses behind a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as parts
from envoy.config.endpoint.v3 import endpoint_pb2

from knet.envoy.build.wire import embed, serialize, tag, text

_NAME = tag(endpoint_pb2.ClusterLoadAssignment, "cluster_name")
_LOCALITY = tag(endpoint_pb2.ClusterLoadAssignment, "endpoints")
_LB_ENDPOINT = tag(parts.LocalityLbEndpoints, "lb_endpoints")
_ENDPOINT = tag(parts.LbEndpoint, "endpoint")
_ADDRESS = tag(parts.Endpoint, "address")
_SOCKET = tag(address_pb2.Address, "socket_address")
_HOST = tag(address_pb2.SocketAddress, "address")


def load_assignment(cluster: str, endpoints: Iterable[tuple[str, int]]) -> bytes:
    """The ClusterLoadAssignment of a cluster from (IP address, port) pairs, in the order given."""
    found = b"".join(embed(_LB_ENDPOINT, _endpoint(address, port)) for address, port in endpoints)
    return text(_NAME, cluster) + (embed(_LOCALITY, found) if found else b"")


def _endpoint(address: str, port: int) -> bytes:
    socket = embed(_SOCKET, text(_HOST, address) + _port(port))
    return embed(_ENDPOINT, embed(_ADDRESS, socket))


@lru_cache(maxsize=256)
def _port(port: int) -> bytes:
    return serialize(address_pb2.SocketAddress(port_value=port))
