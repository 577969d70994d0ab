"""A child KIngress whose hosts lead to single Services: while it lives, gateways hold the endpoints of those.

It is made before traffic moves to a Service that a gateway may not know yet, and lives until traffic has moved, so
that neither what comes nor what goes is missing in between. It is never rendered from files: the controller makes it,
waits until its hosts answer, and deletes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knet.model.kingress import (
    API_VERSION,
    KIND,
    HTTPIngressPath,
    HTTPIngressRuleValue,
    IngressBackendSplit,
    IngressRule,
    IngressSpec,
    KIngress,
)
from knet.model.meta import ObjectMeta, OwnerReference, controlled_by
from knet.model.names import child_name
from knet.routing.table import IngressTable, Key


@dataclass(slots=True)
class Loaded:
    """A Service as it was first seen, and every visibility it is used under."""

    port: int | str
    rewrite_host: str = ""
    under_path: bool = False
    visibilities: set[str] = field(default_factory=set)


_SUFFIXES = {"contour.networking.knative.dev/endpointsProbe": "ep", "knet.dev/loads-endpoints": "load"}
"""What each gateway's children are called, by their mark: two gateways may serve one KIngress (docs/migrate.md)."""
MARKS = frozenset(_SUFFIXES)
"""The annotations that say of a KIngress that it is a child."""


def child_key(parent: Key, mark: str) -> Key:
    """The key of a KIngress's child."""
    return parent[0], child_name(f"{parent[1]}--", _SUFFIXES[mark])


def rules_of(ingress: IngressTable, loaded: Mapping[str, Loaded], domain: str) -> tuple[IngressRule, ...]:
    """One rule for each Service and visibility, on a host of this generation in `domain`."""
    return tuple(
        _rule(ingress, name, visibility, found, domain)
        for name, found in sorted(loaded.items())
        for visibility in sorted(found.visibilities)
    )


def _rule(ingress: IngressTable, service: str, visibility: str, found: Loaded, domain: str) -> IngressRule:
    origin = ingress.origin
    split = IngressBackendSplit(
        service_namespace=origin.namespace, service_name=service, service_port=found.port, percent=100
    )
    path = HTTPIngressPath(rewrite_host=found.rewrite_host, splits=(split,))
    host = f"{service}.gen-{origin.generation}.{origin.name}.{origin.namespace}.{domain}"
    return IngressRule.model_validate(
        {"hosts": (host,), "visibility": visibility, "http": HTTPIngressRuleValue(paths=(path,))}
    )


def child_of(ingress: IngressTable, spec: IngressSpec, mark: str) -> KIngress:
    """The child with this spec; an annotation by the name `mark` says what it is."""
    origin = ingress.origin
    owner = controlled_by(API_VERSION, KIND, origin.name, origin.uid)
    namespace, name = child_key(ingress.key, mark)
    return KIngress(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels=dict(origin.labels),
            annotations={**origin.annotations, mark: "true"},
            owner_references=(OwnerReference.model_validate(owner),),
        ),
        spec=spec,
    )
