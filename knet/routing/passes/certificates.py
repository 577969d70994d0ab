"""TLS Secrets to certificates, with what is wrong with them in words."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from knet.model.core import Secret
from knet.routing.table import Certificate

if TYPE_CHECKING:
    from cryptography import x509

PAIR = ("tls.crt", "tls.key")


def make_certificate(secret: Secret) -> Certificate:
    """The key pair in a `kubernetes.io/tls` Secret. Never raises: `problem` says what is wrong."""
    chain = key = b""
    rest: dict[str, bytes] = {}
    names: tuple[str, ...] = ()
    not_after = problem = ""
    try:
        chain, key = secret.value("tls.crt"), secret.value("tls.key")
        rest = {
            name: secret.value(name) for name in {**secret.data, **secret.string_data} if name not in PAIR
        }
        leaf = read_chain(chain)
        names, not_after = _names(leaf), leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        check_key(leaf, key)
    except ValueError as error:
        problem = str(error)
    digest = "sha256:" + hashlib.sha256(chain + b"\0" + key).hexdigest()[:12]
    return Certificate(
        secret.key,
        secret.metadata.uid,
        secret.metadata.labels,
        digest,
        names,
        not_after,
        chain,
        key,
        problem,
        rest,
        secret.type,
    )


def read_chain(chain: bytes) -> x509.Certificate:
    """The first certificate of a PEM chain. Raises ValueError in words for the user."""
    # imported here: 60 ms that only those with certificates should pay
    from cryptography import x509

    if not chain:
        raise ValueError("tls.crt is empty")
    try:
        return x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise ValueError("tls.crt is not a PEM certificate") from None


def check_key(leaf: x509.Certificate, key: bytes) -> None:
    """Raises ValueError in words unless the PEM private key is the certificate's."""
    from cryptography.hazmat.primitives import serialization as ser

    if not key:
        raise ValueError("tls.key is empty")
    try:
        private = ser.load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise ValueError("tls.key is not an unencrypted PEM private key") from None
    form = (ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ValueError("tls.key does not belong to tls.crt")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))
