"""Names that Kubernetes can hold, made as Knative makes them."""

from __future__ import annotations

import hashlib
import re

MAX = 63
_MD5 = 32


def child_name(parent: str, suffix: str) -> str:
    """`kmeta.ChildName`: parent + suffix, or a hashed form of at most 63 characters.

    facts/translation.md part 1, Common 6; facts/serving.md 46. Byte lengths, as in Go.
    """
    name = parent + suffix
    if len(name) <= MAX and name.isascii():
        return name
    if len(parent.encode()) <= MAX - len(suffix.encode()):
        return name
    if len(suffix.encode()) < MAX - _MD5:
        digest = hashlib.md5(parent.encode(), usedforsecurity=False).hexdigest()
        return _cut(parent, MAX - _MD5 - len(suffix.encode())) + digest + suffix
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    made = _cut(parent, MAX - _MD5) + digest
    if len(made) < MAX:
        made += _cut(suffix, MAX - len(made))
    return re.sub(r"[^a-zA-Z0-9]+\Z", "", made)


def _cut(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")
