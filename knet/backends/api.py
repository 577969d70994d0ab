"""The contract between the middle and a gateway (design section 4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from knet.errors import Diagnostic, ObjectRef
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can express; what it cannot becomes a Diagnostic naming the KIngress and field.

    `wildcard_hosts`: hosts such as `*.example.com` and rules without hosts are served.
    `inner_serves_external`: the inner gateway answers for the hosts of external rules too.
    `longest_path_first`: the longest path prefix wins whatever the order; else the first written.
    `header_order_kept`: among equal paths the first written wins; else the one with most headers.
    `empty_exact_is_present`: a header match with value "" asks for presence.
    `any_case`: a request's host may be written in capitals, as HTTP has it.
    `redirect_without_tls`: httpOption Redirected works for hosts without certificate.
    `named_ports`: a split may name its Service port.
    `h2c`, `external_name`, `upstream_tls`: upstream kinds it can reach.
    """

    wildcard_hosts: bool = True
    inner_serves_external: bool = True
    longest_path_first: bool = True
    header_order_kept: bool = True
    empty_exact_is_present: bool = True
    any_case: bool = True
    redirect_without_tls: bool = True
    named_ports: bool = True
    h2c: bool = True
    external_name: bool = True
    upstream_tls: bool = True


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a gateway is to be given.

    `objects`: Kubernetes objects as plain data (istio, contour, ...), in a stable order.
    `resources`: for gateways that speak xDS, Envoy resources by section (`listeners`,
    `scopedRoutes`, `routes`, `clusters`, `endpoints`, `secrets`), each name → serialised protobuf.
    `parents`: for each object (its ref) or resource ((section, name)) the KIngress it comes from.
    `left_out`: KIngresses of which nothing was rendered; a Diagnostic says why.
    `uses`: for xDS, the names in each section that a KIngress needs, those that it shares included: a
    resource can go when nothing uses it any more, and a KIngress is ready when all of them are there.
    """

    objects: tuple[dict[str, Any], ...] = ()
    resources: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    parents: Mapping[ObjectRef | tuple[str, str], Key] = field(default_factory=dict)
    left_out: frozenset[Key] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()
    uses: Mapping[Key, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


class State(enum.StrEnum):
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Readiness:
    """One KIngress's state on a gateway, and in words what it waits for or why it failed."""

    state: State
    reason: str = ""


class Backend(Protocol):
    """A gateway. All methods are pure functions of their arguments."""

    name: str
    ingress_class: str
    capabilities: Capabilities

    def settings(self, world: World) -> tuple[Any, tuple[Diagnostic, ...]]:
        """The gateway's settings out of its ConfigMaps and gateway Services; bad values are named
        and the defaults stand in for them.
        """
        ...

    def render(self, table: RoutingTable, settings: Any, changed: frozenset[Key] | None = None) -> Rendered:
        """What the gateway is to be given. With `changed`, only what these KIngresses make."""
        ...

    def ready(self, rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
        """Readiness by KIngress from what came back (object statuses, or xDS acknowledgements)."""
        ...

    def documents(self, rendered: Rendered) -> Any:
        """What `knet render` prints, as plain data without secrets: a list of objects, or a mapping
        of sections to lists of protojson resources.
        """
        ...
