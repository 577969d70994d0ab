"""Serialised resources to protojson."""

from __future__ import annotations

import base64
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf import json_format

_TYPES: dict[str, Any] = {
    "listeners": listener_pb2.Listener,
    "scopedRoutes": scoped_route_pb2.ScopedRouteConfiguration,
    "routes": route_pb2.RouteConfiguration,
    "clusters": cluster_pb2.Cluster,
    "endpoints": endpoint_pb2.ClusterLoadAssignment,
    "secrets": secret_pb2.Secret,
}


def protojson(section: str, body: bytes) -> dict[str, Any]:
    """A resource of a section as protojson (camelCase). Raises DecodeError if it is none.

    xds-protos has no class for CryptoMB's config, so that one shows its type and, as `inlineBytes`, all
    of its bytes.
    """
    message = _TYPES[section].FromString(body)
    unknown = None
    if section == "secrets" and message.tls_certificate.HasField("private_key_provider"):
        provider = message.tls_certificate.private_key_provider
        config = provider.typed_config
        unknown = {"@type": config.type_url, "inlineBytes": base64.b64encode(config.value).decode()}
        provider.ClearField("typed_config")
    made: dict[str, Any] = json_format.MessageToDict(message)
    if unknown:
        made["tlsCertificate"]["privateKeyProvider"]["typedConfig"] = unknown
    return made
