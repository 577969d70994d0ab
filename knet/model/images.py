"""Names of container images, as registries and Knative's webhook read them (facts/serving.md 50)."""

from __future__ import annotations

import re

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_REPOSITORY = re.compile(r"[a-z0-9_\-./]{2,255}\Z")
_REGISTRY = re.compile(r"[A-Za-z0-9.\-_:\[\]]+\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def is_reference(text: str) -> bool:
    """Whether it names an image: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, tags and registries being optional."""
    name, at, digest = text.partition("@")
    if at:
        if not _DIGEST.match(digest):
            return False
        head, colon, tag = name.rpartition(":")
        return _named(head if colon and "/" not in tag else name)
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return bool(_TAG.match(tag)) and _named(head)
    return _named(name)


def _named(name: str) -> bool:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return bool(_REGISTRY.match(first) and _REPOSITORY.match(rest))
    return bool(_REPOSITORY.match(name))
