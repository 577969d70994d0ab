"""Certificates with their keys as Secrets of type kubernetes.io/tls."""

from __future__ import annotations

import base64

from knet.control.serving.issuer import Pair
from knet.kube.client import Object
from knet.kube.objects import owner_reference


def pair_of(secret: Object | None) -> Pair | None:
    """What a Secret holds; None if it is not there or holds no pair."""
    data = (secret or {}).get("data") or {}
    if not data.get("tls.crt") or not data.get("tls.key"):
        return None
    return Pair(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))


def secret_of(namespace: str, name: str, pair: Pair, owner: Object | None = None) -> Object:
    """The Secret that holds a pair."""
    meta: Object = {"name": name, "namespace": namespace}
    if owner is not None:
        meta["ownerReferences"] = [owner_reference(owner)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": base64.b64encode(pair.chain).decode(),
            "tls.key": base64.b64encode(pair.key).decode(),
        },
    }
