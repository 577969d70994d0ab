"""TLS Secrets for Istio: which certificates a KIngress uses, and the copies its gateways need (istio 10, 11)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from knet.backends.istio import names
from knet.backends.istio.settings import GatewayRef
from knet.routing.passes.tls import select
from knet.routing.table import Certificate, IngressTable, Key, RoutingTable, TlsEntry, Visibility

PREFIX = "networking.internal.knative.dev/"
CERTIFICATE_UID = PREFIX + "certificate-uid"
_PEM = re.compile(rb"-----BEGIN ([^-]+)-----\s.*?-----END \1-----", re.DOTALL)
ORIGIN_NAMESPACE = PREFIX + "originSecretNamespace"
"""The label that tells a copy of a Secret from others."""


class MissingSecretError(ValueError):
    """A KIngress names a Secret that is not there; `entry` is its index in `spec.tls`."""

    def __init__(self, entry: TlsEntry) -> None:
        super().__init__(f'secret "{entry.secret[1]}" not found')
        self.entry = entry


class BadSecretError(ValueError):
    """A Secret's certificate cannot be read; `entry` is its index in `spec.tls`."""

    def __init__(self, entry: TlsEntry, said: str) -> None:
        super().__init__(said)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Certificates:
    """The TLS of one visibility: entries once for each rule they cover, and certificates by kind."""

    entries: tuple[TlsEntry, ...]
    plain: dict[Key, Certificate]
    wildcard: dict[Key, Certificate]


def certificates(table: RoutingTable, ingress: IngressTable, visibility: Visibility) -> Certificates:
    """What serves the KIngress's hosts of a visibility. Raises MissingSecretError and BadSecretError.

    Whether a certificate is a wildcard one is read off the certificate, not off the hosts.
    """
    entries = tuple(entry for _, entry in select(ingress.rows, ingress.tls, visibility))
    plain: dict[Key, Certificate] = {}
    wildcard: dict[Key, Certificate] = {}
    for entry in entries:
        if table.certificates.get(entry.secret) is None:
            raise MissingSecretError(entry)
    for entry in entries:
        found = table.certificates[entry.secret]
        if not found.dns_names:
            raise BadSecretError(entry, _why_unread(found))
        (wildcard if _is_wildcard(found) else plain)[entry.secret] = found
    return Certificates(tuple(e for e in entries if e.secret in plain), plain, wildcard)


def _why_unread(found: Certificate) -> str:
    """Why no name can be read off a certificate, in upstream's words."""
    where = "/".join(found.key)
    if not found.not_after:
        if not _PEM.search(found.chain_pem):
            return f"failed to decode PEM data for secret {where}"
        return f"failed to parse certificate for secret {where}: x509: malformed certificate"
    return f"certificate should have DNS names, but it has 0: secret {where}"


def _is_wildcard(certificate: Certificate) -> bool:
    return any(name.split(".", 1)[0] == "*" for name in certificate.dns_names)


def copies(ingress: str, found: Certificates, gateways: Iterable[GatewayRef]) -> Iterator[dict[str, Any]]:
    """Secrets in the namespaces of the gateway Services where the originals are not."""
    for namespace in sorted({g.service[0] for g in gateways}):
        for held in found.plain.values():
            if held.key[0] != namespace:
                yield _copy(held, namespace, names.secret_copy(ingress, held.uid))
        for held in found.wildcard.values():
            if held.key[0] != namespace:
                yield _copy(held, namespace, names.wildcard_copy(held.key))


def credential(ingress: str, held: Certificate, namespace: str) -> str:
    """The name by which a gateway in `namespace` finds a certificate."""
    return held.key[1] if held.key[0] == namespace else names.secret_copy(ingress, held.uid)


def _copy(held: Certificate, namespace: str, name: str) -> dict[str, Any]:
    origin = held.key[1]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {
            PREFIX + "originSecretName": names.label_value(origin),
            ORIGIN_NAMESPACE: held.key[0],
            CERTIFICATE_UID: held.labels.get(CERTIFICATE_UID, ""),
        },
    }
    if names.label_value(origin) != origin:
        metadata["annotations"] = {PREFIX + "originSecretName": origin}
    data = {"tls.crt": held.chain_pem, "tls.key": held.key_pem, **held.rest}
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    if held.type:
        made["type"] = held.type
    made["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return made
