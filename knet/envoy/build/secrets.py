"""Secrets (SDS): key pairs and CA certificates, by name."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2
from google.protobuf import any_pb2

from knet.envoy.build.wire import embed, serialize

_CRYPTOMB = "type.googleapis.com/envoy.extensions.private_key_providers.cryptomb.v3alpha.CryptoMbPrivateKeyMethodConfig"
# xds-protos has no class for this one; api/contrib/.../cryptomb.proto: private_key = 1, poll_delay = 2
_CRYPTOMB_KEY = b"\x0a"
_CRYPTOMB_POLL_DELAY = b"\x12\x05\x10\x80\xad\xe2\x04"
"""poll_delay: 0.010s"""


def certificate(name: str, chain: bytes, key: bytes, *, cryptomb: bool = False) -> bytes:
    """A Secret with a PEM key pair; `cryptomb` leaves private-key work to Intel's CryptoMB provider."""
    made = common_pb2.TlsCertificate(certificate_chain=base_pb2.DataSource(inline_bytes=chain))
    source = base_pb2.DataSource(inline_bytes=key)
    if cryptomb:
        value = embed(_CRYPTOMB_KEY, serialize(source)) + _CRYPTOMB_POLL_DELAY
        provider = any_pb2.Any(type_url=_CRYPTOMB, value=value)
        made.private_key_provider.CopyFrom(
            common_pb2.PrivateKeyProvider(provider_name="cryptomb", typed_config=provider)
        )
    else:
        made.private_key.CopyFrom(source)
    return serialize(secret_pb2.Secret(name=name, tls_certificate=made))


def trusted_ca(name: str, pem: bytes) -> bytes:
    """A Secret with the CA certificates that upstreams are checked against."""
    context = common_pb2.CertificateValidationContext(trusted_ca=base_pb2.DataSource(inline_bytes=pem))
    return serialize(secret_pb2.Secret(name=name, validation_context=context))
