"""Listeners: where the gateway accepts connections, and which certificate each server name gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from knet.envoy.build.clusters import TLS_SOCKET
from knet.envoy.build.hcm import ADS, connection_manager
from knet.envoy.build.options import HttpOptions, TlsOptions
from knet.envoy.build.wire import pack, serialize


@dataclass(frozen=True, slots=True)
class Bind:
    """A listener's name and where it listens: one port on every address."""

    name: str
    addresses: tuple[str, ...]
    port: int
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """TLS by one Secret (SDS) for some server names; without names, for every other connection."""

    secret: str
    server_names: tuple[str, ...] = ()


@lru_cache(maxsize=16)  # they hardly ever change, and a change of one KIngress renders them again
def http_listener(bind: Bind, side: str, options: HttpOptions, *, https: bool = False) -> bytes:
    """A plain listener for scope `side`. `https`: its requests count as having come by https."""
    made = _listener(bind)
    chain = listener_components_pb2.FilterChain(filters=[connection_manager(side, options, https=https)])
    made.filter_chains.append(chain)
    return serialize(made)


@lru_cache(maxsize=16)
def https_listener(
    bind: Bind, side: str, options: HttpOptions, tls: TlsOptions, chains: tuple[Chain, ...]
) -> bytes:
    """A TLS listener for scope `side`. Server names must be in one chain only."""
    made = _listener(bind)
    made.listener_filters.append(
        listener_components_pb2.ListenerFilter(
            name="envoy.filters.listener.tls_inspector", typed_config=pack(tls_inspector_pb2.TlsInspector())
        )
    )
    http = connection_manager(side, options, https=True)
    for chain in chains:
        added = made.filter_chains.add(name=chain.secret)
        if chain.server_names:
            added.filter_chain_match.server_names.extend(chain.server_names)
        added.filters.append(http)
        added.transport_socket.CopyFrom(_socket(chain.secret, tls))
    return serialize(made)


def _listener(bind: Bind) -> listener_pb2.Listener:
    first, *rest = (_address(a, bind.port) for a in bind.addresses)
    made = listener_pb2.Listener(name=bind.name, address=first)
    for address in rest:
        made.additional_addresses.append(listener_pb2.AdditionalAddress(address=address))
    if bind.proxy_protocol:
        made.listener_filters.append(
            listener_components_pb2.ListenerFilter(
                name="envoy.filters.listener.proxy_protocol",
                typed_config=pack(proxy_protocol_pb2.ProxyProtocol()),
            )
        )
    return made


def _address(address: str, port: int) -> address_pb2.Address:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))


def _socket(secret: str, tls: TlsOptions) -> base_pb2.TransportSocket:
    params = common_pb2.TlsParameters(
        tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_2, cipher_suites=list(tls.cipher_suites)
    )
    common = tls_pb2.CommonTlsContext(
        tls_params=params,
        alpn_protocols=["h2", "http/1.1"],
        tls_certificate_sds_secret_configs=[secret_pb2.SdsSecretConfig(name=secret, sds_config=ADS)],
    )
    return base_pb2.TransportSocket(
        name=TLS_SOCKET, typed_config=pack(tls_pb2.DownstreamTlsContext(common_tls_context=common))
    )
