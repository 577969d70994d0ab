"""RoutingTable: the language in the middle.

A KIngress becomes rows of `VirtualHost`; a row has routes in the order they were written (the order
pass decides what wins); a route has weighted splits and header edits. Nothing here knows Kubernetes
objects or Envoy resources; `Origin` carries what generated objects must repeat of their parent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from knet.errors import Diagnostic

Key = tuple[str, str]
Headers = tuple[tuple[str, str], ...]
"""(name, value) pairs, sorted by name bytewise; names keep the case they were written in."""


class Visibility(enum.StrEnum):
    """Which gateway a request comes in by: `ext` from outside the cluster, `int` from inside."""

    EXTERNAL = "ext"
    INTERNAL = "int"

    __hash__ = str.__hash__
    """Enum's own is written in Python, and owners are looked up by visibility 20 times a KIngress."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A Service port that takes traffic. `port` is a number or the name of a port."""

    namespace: str
    service: str
    port: int | str

    @property
    def key(self) -> Key:
        return self.namespace, self.service

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Split:
    """A share of a route's traffic. `weight` is a percentage; `implicit`: nobody wrote it down."""

    destination: Destination
    weight: int
    set_headers: Headers = ()
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """Requests whose path starts with `path` ("" and "/" are all) and that carry every header.

    A header with value "" has to be present, whatever its value (facts/translation.md, kourier 4).
    """

    path: str = ""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One way a request can go. `rule` and `path` are its indices in the KIngress.

    `set_headers` overwrite the request's; `host_rewrite` replaces its Host ("" leaves it); `redirect`
    sends plain http to https; `probe` marks the copies that answer readiness probes with the hash.
    """

    match: RouteMatch
    splits: tuple[Split, ...]
    set_headers: Headers
    host_rewrite: str
    rule: int
    path: int
    redirect: bool = False
    probe: bool = False


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """One rule: its hosts as written, and its routes, probe copies first, then as written.

    `declared` is False where the KIngress left visibility unset (and external was assumed).
    """

    hosts: tuple[str, ...]
    visibility: Visibility
    routes: tuple[Route, ...]
    rule: int
    declared: bool = True


@dataclass(frozen=True, slots=True)
class TlsEntry:
    """Hosts and the certificate (secret key) that serves them; `index` in the KIngress's `spec.tls`."""

    hosts: tuple[str, ...]
    secret: Key
    index: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The KIngress behind rows: what names, owns and labels the objects made from it."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def key(self) -> Key:
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class IngressTable:
    """All rows of one KIngress.

    `hash` is the probe hash after defaulting, `raw_hash` before. `http_option` is "Enabled",
    "Redirected" or "".
    """

    origin: Origin
    rows: tuple[VirtualHost, ...]
    tls: tuple[TlsEntry, ...]
    http_option: str
    hash: str
    raw_hash: str

    @property
    def key(self) -> Key:
        return self.origin.key


@dataclass(frozen=True, slots=True)
class UpstreamPort:
    """A Service port: its number, name, where it leads (number or name; 0: same number), protocol hint."""

    number: int
    name: str
    target: int | str
    app_protocol: str


@dataclass(frozen=True, slots=True)
class EndpointGroup:
    """Ready addresses that share named ports: one EndpointSlice's worth."""

    addresses: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """What stands behind a `Destination`.

    `external_name` is a DNS name to resolve, or "". `implied`: the control plane will make it, so its
    endpoints are not known here. `annotations` are the Service's.
    """

    key: Key
    ports: tuple[UpstreamPort, ...]
    groups: tuple[EndpointGroup, ...] = ()
    external_name: str = ""
    implied: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return bool(self.external_name or self.implied or any(g.addresses for g in self.groups))

    def port(self, wanted: int | str) -> UpstreamPort | None:
        """The port a destination names, by number or by name; None if there is no such port."""
        for port in self.ports:
            if wanted in (port.number, port.name):
                return port
        return None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A TLS key pair. `problem` says in words why it cannot be used, else "".

    `rest` are the Secret's other entries (a CA's certificate), `type` is the Secret's. The PEM bytes never show in `repr`; `digest` (`sha256:…`) stands for them everywhere.
    """

    key: Key
    uid: str
    labels: Mapping[str, str]
    digest: str
    dns_names: tuple[str, ...]
    not_after: str
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    problem: str = ""
    rest: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    type: str = "kubernetes.io/tls"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Everything a backend needs.

    `owners` says which KIngress serves each (visibility, lower-case host); rows whose host another
    KIngress owns are still in `ingresses`, and backends ask `owners` before they serve it; `contested`
    lists all who claim a host that several do, the owner first. `upstreams` and `certificates` hold what
    the rows refer to and exists; `users` counts the KIngresses that refer to each Service.
    """

    ingresses: Mapping[Key, IngressTable] = field(default_factory=dict)
    owners: Mapping[tuple[Visibility, str], Key] = field(default_factory=dict)
    upstreams: Mapping[Key, Upstream] = field(default_factory=dict)
    certificates: Mapping[Key, Certificate] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    contested: Mapping[tuple[Visibility, str], tuple[Key, ...]] = field(default_factory=dict)
    users: Mapping[Key, int] = field(default_factory=dict)
