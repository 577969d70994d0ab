"""A certificate for loopback: clients send their token over TLS only, as kubectl insists on."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_YEARS = 5
_SPARE = dt.timedelta(days=30)


def ensure(directory: Path) -> tuple[Path, Path]:
    """(certificate, key) as PEM files in `directory`, made if they are not there or run out soon."""
    chain, key = directory / "api.crt", directory / "api.key"
    if not (chain.exists() and key.exists()) or _ends_soon(chain):
        directory.mkdir(parents=True, exist_ok=True)
        _make(chain, key)
    return chain, key


def _ends_soon(chain: Path) -> bool:
    held = x509.load_pem_x509_certificate(chain.read_bytes())
    return held.not_valid_after_utc - dt.datetime.now(dt.UTC) < _SPARE


def _make(chain: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "knet")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(private, hashes.SHA256())
    )
    handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    whole = chain.with_suffix(".crt.new")  # whoever is killed here leaves no half of it
    whole.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    whole.replace(chain)
