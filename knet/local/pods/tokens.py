"""Tokens of service accounts, as projected volumes have them: JSON Web Tokens that the node signs.

They say what a cluster's would (kubernetes.io: service account tokens); the embedded API itself knows one token only,
its own. Signatures are Ed25519's, which are the same every time: a volume changes when its token is renewed, not before.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from knet.local.pods.spec import Object
from knet.text import json

ISSUER = "https://kubernetes.default.svc.cluster.local"
LEAST_S = 600
"""Kubernetes' shortest life of a token."""
_RENEWED = 0.8


class Signer:
    """Signs the tokens of one node. Its key is in a file that its user alone may read; `public` lies beside it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._key: Ed25519PrivateKey | None = None

    def token(self, pod: Object, audience: str, seconds: int) -> bytes:
        """The token of a pod's service account that counts now; a new one after four fifths of its life."""
        life = max(seconds, LEAST_S)
        step = int(life * _RENEWED)
        issued = int(self._clock()) // step * step
        meta, account = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        namespace = meta["namespace"]
        claims = {
            "aud": [audience or ISSUER],
            "exp": issued + life,
            "iat": issued,
            "iss": ISSUER,
            "kubernetes.io": {
                "namespace": namespace,
                "pod": {"name": meta["name"], "uid": meta["uid"]},
                "serviceaccount": {"name": account},
            },
            "nbf": issued,
            "sub": f"system:serviceaccount:{namespace}:{account}",
        }
        head = {"alg": "EdDSA", "typ": "JWT"}
        text = b".".join(map(_encoded, (json.canonical(head), json.canonical(claims))))
        return text + b"." + _encoded(self._private().sign(text))

    def _private(self) -> Ed25519PrivateKey:
        if self._key is None:
            try:
                self._key = Ed25519PrivateKey.from_private_bytes(self._path.read_bytes())
            except FileNotFoundError:
                self._key = self._made()
        return self._key

    def _made(self) -> Ed25519PrivateKey:
        key = Ed25519PrivateKey.generate()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.touch(0o600)
        draft.write_bytes(key.private_bytes_raw())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
        self._path.with_suffix(".pub").write_bytes(public)
        draft.replace(self._path)
        return key


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
