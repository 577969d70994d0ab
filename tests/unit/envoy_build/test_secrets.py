"""Secrets, read back."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from knet.envoy.build import secrets


def test_a_key_pair():
    made = secret_pb2.Secret.FromString(secrets.certificate("a/b", b"chain", b"key"))
    assert made.name == "a/b"
    assert made.tls_certificate.certificate_chain.inline_bytes == b"chain"
    assert made.tls_certificate.private_key.inline_bytes == b"key"


def test_cryptomb_takes_the_key():
    made = secret_pb2.Secret.FromString(secrets.certificate("a/b", b"chain", b"key", cryptomb=True))
    provider = made.tls_certificate.private_key_provider
    assert provider.provider_name == "cryptomb"
    assert not made.tls_certificate.HasField("private_key")
    # CryptoMbPrivateKeyMethodConfig: private_key (DataSource) = 1, poll_delay (10 ms) = 2
    key, delay = provider.typed_config.value[:7], provider.typed_config.value[7:]
    assert key[:2] == b"\x0a\x05"
    assert base_pb2.DataSource.FromString(key[2:]).inline_bytes == b"key"
    assert delay == b"\x12\x05\x10\x80\xad\xe2\x04"
