"""The Certificates that a Route or DomainMapping orders (facts/serving.md 42)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from knet.model.kingress import IngressTLS
from knet.model.meta import ObjectMeta, OwnerReference
from knet.model.network import LOCAL_DOMAIN, NetworkConfig
from knet.model.network_certificate import EXTERNAL, LOCAL, Certificate, CertificateSpec
from knet.model.serving import ROUTE_LABEL, Route
from knet.serving import keys


def certificate_class(annotations: Mapping[str, str], network: NetworkConfig) -> str:
    """Who issues: by annotation, else as config-network says."""
    return keys.first(annotations, keys.CERTIFICATE_CLASS) or network.certificate_class


def route_certificate(
    route: Route, tag: str, names: Sequence[str], domain: str, network: NetworkConfig
) -> Certificate:
    """For the external host of a tag."""
    name = _name(route, tag)
    return _route_certificate(route, name, names, network, domain=domain, kind=EXTERNAL)


def local_certificate(route: Route, tag: str, names: Sequence[str], network: NetworkConfig) -> Certificate:
    """For the cluster-local hosts of a tag."""
    name = _name(route, tag) + "-local"
    return _route_certificate(route, name, names, network, domain=LOCAL_DOMAIN, kind=LOCAL)


def make_certificate(
    meta: ObjectMeta,
    owner: OwnerReference,
    owner_label: str,
    *,
    name: str,
    names: Sequence[str],
    domain: str,
    kind: str,
    issuer: str,
) -> Certificate:
    """A Certificate of any owner; its Secret has its name."""
    return Certificate(
        metadata=ObjectMeta(
            name=name,
            namespace=meta.namespace,
            labels={owner_label: meta.name, keys.CERTIFICATE_TYPE: kind},
            annotations={keys.CERTIFICATE_CLASS[0]: issuer, **keys.travelling(meta.annotations)},
            owner_references=(owner,),
        ),
        spec=CertificateSpec(dns_names=tuple(names), domain=domain, secret_name=name),
    )


def tls(certificate: Certificate, hosts: Sequence[str]) -> IngressTLS:
    """The TLS entry of a KIngress that a Certificate fills."""
    return IngressTLS(
        hosts=tuple(sorted(hosts)),
        secret_name=certificate.spec.secret_name,
        secret_namespace=certificate.metadata.namespace,
    )


def _route_certificate(
    route: Route, name: str, names: Sequence[str], network: NetworkConfig, *, domain: str, kind: str
) -> Certificate:
    owner = keys.owner(route.api_version, route.kind, route.metadata)
    issuer = certificate_class(route.metadata.annotations, network)
    return make_certificate(
        route.metadata, owner, ROUTE_LABEL, name=name, names=names, domain=domain, kind=kind, issuer=issuer
    )


def _name(route: Route, tag: str) -> str:
    # upstream digests the tag with Adler-32, so that the name fits into 63 characters
    name = f"route-{route.metadata.uid}"
    return f"{name}-{zlib.adler32(tag.encode())}" if tag else name
