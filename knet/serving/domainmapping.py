"""What a DomainMapping becomes: a KIngress, a Certificate and a ClusterDomainClaim (facts/serving.md 45)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from knet.model.domainmapping import DomainMapping
from knet.model.kingress import (
    EXTERNAL,
    HTTPIngressPath,
    HTTPIngressRuleValue,
    IngressBackendSplit,
    IngressRule,
    IngressSpec,
    IngressTLS,
    KIngress,
)
from knet.model.meta import ObjectMeta
from knet.model.names import child_name
from knet.model.network import LOCAL_DOMAIN, NetworkConfig
from knet.model.network_certificate import EXTERNAL as EXTERNAL_DOMAIN
from knet.model.network_certificate import Certificate, HTTP01Challenge
from knet.serving import certificates, keys
from knet.serving.ingress import HTTP_PORT, acme_path, http_option

ORIGINAL_HOST_HEADER = "K-Original-Host"


class RefError(ValueError):
    """A DomainMapping's ref gives no Service of the DomainMapping's own namespace. Upstream's words."""


def backend(uri: str, namespace: str) -> tuple[str, str]:
    """(host, Service) of the address that a ref resolves to. Raises RefError."""
    parts = urlsplit(uri)
    if parts.path.strip("/"):
        raise RefError(f'resolved URI "{uri}" contains a path')
    labels = parts.netloc.removesuffix("." + LOCAL_DOMAIN).split(".")
    if not parts.netloc.endswith("." + LOCAL_DOMAIN) or len(labels) != 2:
        raise RefError(f'resolved URI "{uri}" must be of the form {{name}}.{{namespace}}.{LOCAL_DOMAIN}')
    if labels[1] != namespace:
        raise RefError(f'resolved URI "{uri}" must be in same namespace as DomainMapping')
    return parts.netloc, labels[0]


def child(mapping: DomainMapping) -> str:
    """The name of a DomainMapping's KIngress and Certificate: its own, unless that is longer than 63 characters."""
    return child_name(mapping.metadata.name, "")


def make_ingress(
    mapping: DomainMapping,
    network: NetworkConfig,
    *,
    host: str,
    service: str,
    ingress_class: str,
    tls: Sequence[IngressTLS] = (),
    challenges: Sequence[HTTP01Challenge] = (),
) -> KIngress:
    """The KIngress that sends the domain to `service`, with its host rewritten to `host`.

    Raises HttpProtocolError for an annotation that is none of its values.
    """
    meta = mapping.metadata
    split = IngressBackendSplit(
        service_namespace=meta.namespace,
        service_name=service,
        service_port=HTTP_PORT,
        percent=100,
        append_headers={ORIGINAL_HOST_HEADER: meta.name},
    )
    paths: list[HTTPIngressPath] = [HTTPIngressPath(rewrite_host=host, splits=(split,))]
    others: list[IngressRule] = []
    for challenge in challenges:
        name = urlsplit(challenge.url).netloc
        if name == meta.name:
            paths.insert(0, acme_path(challenge))
        else:
            others.append(_rule(name, (acme_path(challenge),)))
    spec = IngressSpec(
        tls=tuple(tls),
        rules=(_rule(meta.name, tuple(paths)), *others),
        http_option=http_option(meta.annotations, network),
    )
    return KIngress(
        metadata=ObjectMeta(
            name=child(mapping),
            namespace=meta.namespace,
            labels={
                **meta.labels,
                keys.MAPPING_UID_LABEL: meta.uid,
                keys.MAPPING_NAMESPACE_LABEL: meta.namespace,
            },
            annotations={keys.INGRESS_CLASS[0]: ingress_class, **keys.travelling(meta.annotations)},
            owner_references=(keys.owner(mapping.api_version, mapping.kind, meta),),
        ),
        spec=spec,
    )


def make_certificate(mapping: DomainMapping, issuer: str) -> Certificate:
    """The Certificate for the domain. `issuer` is the cluster's; the annotation `certificate.class` goes before it."""
    meta = mapping.metadata
    # upstream writes the name where the label says uid
    return certificates.make_certificate(
        meta,
        keys.owner(mapping.api_version, mapping.kind, meta),
        keys.MAPPING_UID_LABEL,
        name=child(mapping),
        names=(meta.name,),
        domain=meta.name,
        kind=EXTERNAL_DOMAIN,
        issuer=issuer,
    )


def make_claim(mapping: DomainMapping) -> dict[str, Any]:
    """The ClusterDomainClaim that gives the domain to the DomainMapping's namespace."""
    return {"metadata": {"name": mapping.metadata.name}, "spec": {"namespace": mapping.metadata.namespace}}


def _rule(host: str, paths: tuple[HTTPIngressPath, ...]) -> IngressRule:
    return IngressRule(hosts=(host,), visibility=EXTERNAL, http=HTTPIngressRuleValue(paths=paths))
