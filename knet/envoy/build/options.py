"""What a gateway's operator can set, in Envoy's terms: the arguments of the builders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostPort:
    """A DNS name or address, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Access logging to a file. `template` is an Envoy format string; "" is Envoy's default format."""

    path: str = "/dev/stdout"
    template: str = ""


@dataclass(frozen=True, slots=True)
class ExtAuthz:
    """External authorisation. `protocol` is grpc, http or https; `timeout_ms` of one check."""

    target: HostPort
    protocol: str = "grpc"
    path_prefix: str = ""
    failure_mode_allow: bool = False
    timeout_ms: int = 2000
    max_request_bytes: int = 8192
    pack_as_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Tracing:
    """OpenTelemetry traces to `endpoint` (a URL). `protocol` is grpc or http; `sampling` is 0..1."""

    endpoint: str
    target: HostPort
    protocol: str = "grpc"
    sampling: float = 1.0
    service_name: str = "kourier-knative"
    tls: bool = False


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What every HTTP connection manager of the gateway has in common."""

    access_log: AccessLog | None = AccessLog()
    stream_idle_timeout_ms: int = 0
    use_remote_address: bool = False
    trusted_hops: int = 0
    keep_server_header: bool = False
    ext_authz: ExtAuthz | None = None
    tracing: Tracing | None = None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What every TLS listener of the gateway has in common. Empty `cipher_suites`: Envoy's own."""

    cipher_suites: tuple[str, ...] = ()
