"""A throw-away certificate authority with one server and one client, as PEM files."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    root: Path
    server_chain: Path
    server_key: Path
    client_chain: Path
    client_key: Path


def make_authority(directory: Path, *hosts: str) -> Authority:
    """Signs `hosts` (names and addresses; localhost for none) for a server and `gateway` for a client."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = _sign(["knet test authority"], root_key, None, None)
    paths = [directory / "root.pem"]
    paths[0].write_bytes(root.public_bytes(serialization.Encoding.PEM))
    for role, names in (("server", hosts or ("localhost",)), ("client", ("gateway",))):
        key = ec.generate_private_key(ec.SECP256R1())
        chain, private = directory / f"{role}.pem", directory / f"{role}.key"
        chain.write_bytes(_sign(names, key, root, root_key).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        paths += [chain, private]
    return Authority(*paths)


def _sign(names, key, issuer, issuer_key):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    )
    return builder.sign(issuer_key or key, hashes.SHA256())


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
