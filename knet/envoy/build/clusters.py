"""Clusters: how Envoy reaches a Service port."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from knet.envoy.build.hcm import ADS
from knet.envoy.build.options import HostPort
from knet.envoy.build.wire import pack, serialize, tag, text

_NAME = tag(cluster_pb2.Cluster, "name")
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TLS_SOCKET = "envoy.transport_sockets.tls"


_MANY = wrappers_pb2.UInt32Value(value=2**32 - 1)
_LIMITS = circuit_breaker_pb2.CircuitBreakers(
    thresholds=[
        # Envoy's own are 1,024 requests and three that are sent again: what waits behind an activator for a pod is
        # limited there, and what is sent again has reached nobody
        circuit_breaker_pb2.CircuitBreakers.Thresholds(
            max_connections=_MANY, max_pending_requests=_MANY, max_requests=_MANY, max_retries=_MANY
        )
    ]
)


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS to an upstream: the Secret (SDS) that holds the CA, and the DNS names it may present.

    Without `ca_secret` the certificate is checked against the system's CAs for `server_name`.
    """

    ca_secret: str = ""
    names: tuple[str, ...] = ()
    server_name: str = ""


def eds_cluster(name: str, *, h2: bool = False, tls: UpstreamTls | None = None) -> bytes:
    """A cluster whose endpoints come over ADS."""
    return text(_NAME, name) + _eds(h2, tls)


def dns_cluster(
    name: str,
    target: HostPort,
    *,
    h2: bool = False,
    tls: UpstreamTls | None = None,
    logical: bool = True,
    h1: bool = False,
) -> bytes:
    """A cluster of one DNS name; `logical` connects to the first address only, else to all of them."""
    made = _cluster(h2, tls, h1=h1)
    made.name = name
    made.type = cluster_pb2.Cluster.LOGICAL_DNS if logical else cluster_pb2.Cluster.STRICT_DNS
    # both families, raced: by default a name with an IPv6 address is never asked for by IPv4
    made.dns_lookup_family = cluster_pb2.Cluster.ALL
    socket = address_pb2.SocketAddress(address=target.host, port_value=target.port)
    endpoint = endpoint_components_pb2.Endpoint(address=address_pb2.Address(socket_address=socket))
    made.load_assignment.CopyFrom(
        endpoint_pb2.ClusterLoadAssignment(
            cluster_name=name,
            endpoints=[
                endpoint_components_pb2.LocalityLbEndpoints(
                    lb_endpoints=[endpoint_components_pb2.LbEndpoint(endpoint=endpoint)]
                )
            ],
        )
    )
    return serialize(made)


@lru_cache(maxsize=1024)
def _eds(h2: bool, tls: UpstreamTls | None) -> bytes:
    made = _cluster(h2, tls)
    made.type = cluster_pb2.Cluster.EDS
    made.eds_cluster_config.CopyFrom(cluster_pb2.Cluster.EdsClusterConfig(eds_config=ADS))
    return serialize(made)


def _cluster(h2: bool, tls: UpstreamTls | None, *, h1: bool = False) -> cluster_pb2.Cluster:
    made = cluster_pb2.Cluster(connect_timeout=duration_pb2.Duration(seconds=5), circuit_breakers=_LIMITS)
    if h2 or h1:
        explicit = http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig()
        if h2:
            explicit.http2_protocol_options.CopyFrom(protocol_pb2.Http2ProtocolOptions())
        else:
            explicit.http_protocol_options.CopyFrom(protocol_pb2.Http1ProtocolOptions())
        options = http_protocol_options_pb2.HttpProtocolOptions(explicit_http_config=explicit)
        made.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(pack(options))
    if tls:
        made.transport_socket.CopyFrom(_socket(tls, h2))
    return made


def _socket(tls: UpstreamTls, h2: bool) -> base_pb2.TransportSocket:
    common = tls_pb2.CommonTlsContext(alpn_protocols=["h2"] if h2 else [])
    context = tls_pb2.UpstreamTlsContext(sni=tls.server_name)
    names = [_name(n) for n in (tls.names or ((tls.server_name,) if tls.server_name else ()))]
    checks = common_pb2.CertificateValidationContext(match_typed_subject_alt_names=names)
    if tls.ca_secret:
        version = common_pb2.TlsParameters.TLSv1_3
        common.tls_params.CopyFrom(
            common_pb2.TlsParameters(
                tls_minimum_protocol_version=version, tls_maximum_protocol_version=version
            )
        )
        ca = secret_pb2.SdsSecretConfig(name=tls.ca_secret, sds_config=ADS)
        common.combined_validation_context.default_validation_context.CopyFrom(checks)
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(ca)
    else:
        checks.system_root_certs.SetInParent()
        common.validation_context.CopyFrom(checks)
    context.common_tls_context.CopyFrom(common)
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=pack(context))


def _name(name: str) -> common_pb2.SubjectAltNameMatcher:
    return common_pb2.SubjectAltNameMatcher(
        san_type=common_pb2.SubjectAltNameMatcher.DNS, matcher=string_pb2.StringMatcher(exact=name)
    )
