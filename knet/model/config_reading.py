"""How Knative reads the text values of a ConfigMap: by key, typed, the first bad one ends it (Go's words).

The modules beside this one say what the keys of one map are. Keys that nobody knows are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from knet.text import go, quantity


class Key(NamedTuple):
    """`name` in the ConfigMap sets `field`, as `read` understands it. Of two that set one field the later counts."""

    name: str
    field: str
    read: Callable[[str], Any]


def values(data: Mapping[str, str], keys: Sequence[Key]) -> dict[str, Any]:
    """By field, what the map says. Raises ValueError: `failed to parse "KEY": …`."""
    found: dict[str, Any] = {}
    for key in keys:
        if key.name in data:
            try:
                found[key.field] = key.read(data[key.name])
            except ValueError as error:
                raise ValueError(f'failed to parse "{key.name}": {error}') from None
    return found


def integer(text: str) -> int:
    """64 bits."""
    return go.integer(text, 64)


def items(text: str) -> frozenset[str]:
    """A set, written with commas; empty items fall out."""
    return frozenset(part for part in (p.strip() for p in text.split(",")) if part)


def amount(text: str) -> str:
    """A quantity, as Kubernetes writes it."""
    return quantity.canonical(text)


boolean = go.boolean
duration = go.duration
number = go.number
