"""Annotation and label keys of Knative, with their older spellings, and which of them travel."""

from __future__ import annotations

from collections.abc import Mapping

from knet.model.meta import ObjectMeta, OwnerReference
from knet.model.network import NetworkConfig

_NETWORKING = "networking.knative.dev"
GROUP = _SERVING = "serving.knative.dev"

# present key first, except where upstream looks at the older one first
INGRESS_CLASS = (f"{_NETWORKING}/ingress.class", f"{_NETWORKING}/ingress-class")
CERTIFICATE_CLASS = (f"{_NETWORKING}/certificate.class", f"{_NETWORKING}/certificate-class")
DISABLE_TLS = (
    f"{_NETWORKING}/disable-external-domain-tls",
    f"{_NETWORKING}/disable-auto-tls",
    f"{_NETWORKING}/disableAutoTLS",
)
HTTP_PROTOCOL = (f"{_NETWORKING}/http-protocol", f"{_NETWORKING}/httpOption")

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CERTIFICATE_TYPE = f"{_NETWORKING}/certificate-type"
TAG_TO_HOST = "networking.internal.knative.dev/tag-to-host"
ROUTE_NAMESPACE_LABEL = f"{_SERVING}/routeNamespace"
MAPPING_UID_LABEL = f"{_SERVING}/domainMappingUID"
MAPPING_NAMESPACE_LABEL = f"{_SERVING}/domainMappingNamespace"
SERVICE_UID_LABEL = f"{_SERVING}/serviceUID"
ROUTES = f"{_SERVING}/routes"

_TRUE = ("1", "t", "T", "TRUE", "true", "True")

# KIngresses and Certificates carry the dotted spellings only
_STAYS = frozenset({LAST_APPLIED, INGRESS_CLASS[1], CERTIFICATE_CLASS[1]})


def first(annotations: Mapping[str, str], keys: tuple[str, ...]) -> str:
    """The value of the first of these keys that is there, be it empty."""
    return next((annotations[k] for k in keys if k in annotations), "")


def tls_wanted(annotations: Mapping[str, str], network: NetworkConfig) -> bool:
    """Whether external-domain-tls is on for an object with these annotations."""
    return network.external_domain_tls and first(annotations, DISABLE_TLS) not in _TRUE


def travelling(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that an owner hands on to its KIngress and Certificates."""
    return {k: v for k, v in annotations.items() if k not in _STAYS}


def owner(api_version: str, kind: str, meta: ObjectMeta) -> OwnerReference:
    """A controller's owner reference."""
    return OwnerReference(
        api_version=api_version,
        kind=kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )


def controlled_by(meta: ObjectMeta, uid: str) -> bool:
    """Whether the object's controller has this uid."""
    return any(o.controller and o.uid == uid for o in meta.owner_references)
