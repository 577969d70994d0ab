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


def secret_of(
    namespace: str, name: str, pair: Pair, owner: Object | None = None, authority: Pair | None = None
) -> Object:
    """The Secret that holds a pair, and the certificate of the `authority` that others are to trust."""
    meta: Object = {"name": name, "namespace": namespace}
    if owner is not None:
        meta["ownerReferences"] = [owner_reference(owner)]
    files = {"tls.crt": pair.chain, "tls.key": pair.key}
    if authority is not None:
        files["ca.crt"] = authority.chain
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "kubernetes.io/tls",
        "data": {file: base64.b64encode(data).decode() for file, data in files.items()},
    }


def trusts(secret: Object | None, authority: Pair) -> bool:
    """Whether a Secret says that this authority is to be trusted."""
    said = ((secret or {}).get("data") or {}).get("ca.crt")
    return bool(said == base64.b64encode(authority.chain).decode())
