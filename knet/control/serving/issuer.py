"""The built-in certificate authority: a CA of the cluster's own, and certificates renewed before they end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = dt.timedelta(days=3650)
LIFE = dt.timedelta(days=90)
OVERLAP = dt.timedelta(days=30)
"""A certificate is renewed so long before it ends: what a gateway still holds stays good meanwhile."""
_LATE = dt.timedelta(minutes=5)


class Purpose(Enum):
    """What a certificate may be shown for."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (with those that lead to its root, if any) and its key, as PEM."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(…)"

    @property
    def ends(self) -> dt.datetime:
        return _leaf(self.chain).not_valid_after_utc

    @property
    def names(self) -> frozenset[str]:
        """The DNS names that it is for."""
        found = _leaf(self.chain).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return frozenset(found.value.get_values_for_type(x509.DNSName))

    def issued_by(self, authority: Pair) -> bool:
        """Whether an authority, as it is now, has signed it."""
        try:
            _leaf(self.chain).verify_directly_issued_by(_leaf(authority.chain))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def make_authority(now: dt.datetime) -> Pair:
    """A new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "knet certificate authority")])
    made = (
        _builder(name, name, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM), _pem(key))


def issue(
    authority: Pair, names: Sequence[str], now: dt.datetime, purposes: Sequence[Purpose] = (Purpose.SERVER,)
) -> Pair:
    """A certificate for DNS names, with its chain; of a server, or of a client that shows who it is, or of both."""
    signer = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is no EC key")
    root = _leaf(authority.chain)
    key = ec.generate_private_key(ec.SECP256R1())
    # a common name holds 64 characters; clients look at the alternative names
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    made = (
        _builder(subject, root.subject, key.public_key(), now, LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([p.value for p in purposes]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM) + authority.chain, _pem(key))


def due(held: Pair, names: Sequence[str], authority: Pair, now: dt.datetime) -> bool:
    """Whether a new certificate has to take the place of this one."""
    return held.names != frozenset(names) or held.ends - now < OVERLAP or not held.issued_by(authority)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LATE)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _leaf(chain: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
