"""The gateway's settings, out of config-kourier and config-network (facts/knative.md, A; golden variants)."""

from __future__ import annotations

from dataclasses import dataclass, field

from knet.backends.kourier.config import Reader
from knet.envoy.build.options import AccessLog, ExtAuthz, HttpOptions, TlsOptions, Tracing
from knet.errors import Diagnostic
from knet.routing.passes.certificates import make_certificate
from knet.routing.table import Certificate, Key
from knet.routing.world import World

SYSTEM_NAMESPACE = "knative-serving"
CA_SECRET = (SYSTEM_NAMESPACE, "routing-serving-certs")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gateway listens (facts/knative.md: Kourier gateway). 0 leaves a listener out."""

    external_http: int = 8080
    internal_http: int = 8081
    external_https: int = 8443
    internal_https: int = 8444
    probe_http: int = 8090
    probe_https: int = 9443


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decides.

    `default_certificate` (certs-secret-name) serves external hosts that have none of their own,
    `internal_certificate` (cluster-cert-secret) internal ones. `ca_pem` is there with system-internal-tls:
    upstreams are then reached by TLS and must show a certificate of that CA.
    """

    addresses: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - a gateway
    ports: Ports = Ports()
    http: HttpOptions = HttpOptions()  # noqa: RUF009 - frozen
    tls: TlsOptions = TlsOptions()  # noqa: RUF009 - frozen
    proxy_protocol: bool = False
    cryptomb: bool = False
    default_certificate: Certificate | None = None
    internal_certificate: Certificate | None = None
    ca_pem: bytes = field(default=b"", repr=False)


def read(world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """The settings of a world; bad values are named, and the defaults stand in for them."""
    found = Reader("config-kourier", SYSTEM_NAMESPACE, world.config("config-kourier"))
    network = Reader("config-network", SYSTEM_NAMESPACE, world.config("config-network"))
    settings = Settings(
        addresses=found.addresses("listen-ip-addresses", ("0.0.0.0",)),  # noqa: S104
        http=_http(found),
        tls=TlsOptions(tuple(sorted(found.words("cipher-suites")))),
        proxy_protocol=found.boolean("enable-proxy-protocol", default=False),
        cryptomb=found.boolean("enable-cryptomb", default=False),
        default_certificate=_certificate(found, world, "certs-secret-name", _default_secret(found)),
        internal_certificate=_certificate(found, world, "cluster-cert-secret", _cluster_secret(found)),
        ca_pem=_ca(network, world) if network.enabled("system-internal-tls") else b"",
    )
    return settings, (*found.problems, *network.problems)


def _http(found: Reader) -> HttpOptions:
    template = found.text("service-access-log-template")
    logged = found.boolean("enable-service-access-logging", default=True)
    return HttpOptions(
        access_log=AccessLog(template=template) if logged else None,
        stream_idle_timeout_ms=found.duration_ms("stream-idle-timeout", 0),
        use_remote_address=found.boolean("use-remote-address", default=False),
        trusted_hops=found.integer("trusted-hops-count", 0, most=100),
        keep_server_header=found.boolean("disable-envoy-server-header", default=False),
        ext_authz=_ext_authz(found),
        tracing=_tracing(found),
    )


def _ext_authz(found: Reader) -> ExtAuthz | None:
    target = found.host_port("extauthz-host")
    if target is None:
        return None
    # upstream's example says extauthz-pack-as-byte, its code reads extauthz-pack-as-bytes
    packed = "extauthz-pack-as-bytes" if found.text("extauthz-pack-as-bytes") else "extauthz-pack-as-byte"
    return ExtAuthz(
        target,
        found.choice("extauthz-protocol", ("grpc", "http", "https"), required=True),
        found.text("extauthz-path-prefix"),
        found.boolean("extauthz-failure-mode-allow", default=False),
        found.integer("extauthz-timeout", 2000, most=3_600_000),
        found.integer("extauthz-max-request-body-bytes", 8192, most=2**32 - 1),
        found.boolean(packed, default=False),
    )


def _tracing(found: Reader) -> Tracing | None:
    endpoint = found.url("tracing-endpoint")
    if endpoint is None:
        return None
    url, scheme, target = endpoint
    return Tracing(
        url,
        target,
        "http" if found.choice("tracing-protocol", ("grpc", "http/protobuf")) != "grpc" else "grpc",
        found.share("tracing-sampling-rate", 1.0),
        found.text("tracing-service-name") or "kourier-knative",
        scheme == "https",
    )


def _default_secret(found: Reader) -> Key | None:
    name, namespace = found.text("certs-secret-name"), found.text("certs-secret-namespace")
    if name and not namespace:
        found.bad("certs-secret-name", "counts only together with certs-secret-namespace")
    return (namespace, name) if name and namespace else None


def _cluster_secret(found: Reader) -> Key | None:
    name = found.text("cluster-cert-secret")
    return (SYSTEM_NAMESPACE, name) if name else None


def _certificate(found: Reader, world: World, key: str, secret: Key | None) -> Certificate | None:
    if secret is None:
        return None
    held = world.secrets.get(secret)
    if held is None:
        found.bad(key, f"there is no Secret {'/'.join(secret)}")
        return None
    made = make_certificate(held)
    if made.problem:
        found.bad(key, f"Secret {'/'.join(secret)} cannot be used: {made.problem}")
        return None
    return made


def _ca(network: Reader, world: World) -> bytes:
    held = world.secrets.get(CA_SECRET)
    try:
        found = held.value("ca.crt") if held else b""
    except ValueError:
        found = b""
    if not found:
        network.bad(
            "system-internal-tls", f"Secret {'/'.join(CA_SECRET)} has no ca.crt to check upstreams with"
        )
    return found
