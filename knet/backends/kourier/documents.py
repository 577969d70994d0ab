"""Rendered resources as plain data for people: protojson, with hashes in the place of secrets."""

from __future__ import annotations

import hashlib
from typing import Any

from knet.backends.api import Rendered
from knet.envoy.build.documents import protojson

_SECRET_KEYS = frozenset(("inlineBytes", "inlineString"))


def documents(rendered: Rendered) -> dict[str, list[dict[str, Any]]]:
    """Every section as a list of protojson resources, sorted by name."""
    made = {}
    for section, found in rendered.resources.items():
        made[section] = [protojson(section, body) for _, body in sorted(found.items())]
    made["secrets"] = [_hidden(secret) for secret in made.get("secrets", [])]
    return made


def _hidden(data: Any) -> Any:
    """A secret with a hash for every byte string: certificates too, so that their change still shows."""
    if isinstance(data, dict):
        return {k: _digest(v) if k in _SECRET_KEYS else _hidden(v) for k, v in data.items()}
    return [_hidden(v) for v in data] if isinstance(data, list) else data


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:12]
