"""What the schema of a kind says of each field: the one view of built-in types and of custom ones.

Patches ask it how lists merge, pruning asks it what is known. References are followed as they are met, for
some types hold themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from knet.local.api import openapi_types as types
from knet.local.api.kinds import Kind

Schema = dict[str, Any]

OPEN: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""Of what nothing is known: everything may be there, lists are one value."""

KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys of list items that count as given where they are missing."""

META: Schema = {"$ref": "meta.v1.ObjectMeta"}


def of(kind: Kind) -> Schema:
    """The schema of a kind's objects."""
    if kind.schema is not None:
        return _once(kind.schema, _with_metadata)
    name = types.type_name(kind.group, kind.version, kind.kind)
    return _type(name) if name else OPEN


def child(schema: Schema, field: str) -> Schema | None:
    """What may be in a field of an object; None if the schema does not know it."""
    known = (schema.get("properties") or {}).get(field, schema.get("additionalProperties"))
    return followed(known) if isinstance(known, dict) else None


def item(schema: Schema) -> Schema:
    """What may be in a list."""
    return followed(schema.get("items") or OPEN)


def keys(schema: Schema) -> tuple[str, ...]:
    """The fields that tell the items of a list apart for server-side apply; () if the list is no map."""
    found = schema.get("x-kubernetes-list-map-keys") or ()
    return tuple(found) if schema.get("x-kubernetes-list-type") == "map" else ()


def is_set(schema: Schema) -> bool:
    """Whether a list is a set for server-side apply."""
    return schema.get("x-kubernetes-list-type") == "set"


def is_atomic(schema: Schema) -> bool:
    """Whether a map is one value for server-side apply."""
    return schema.get("x-kubernetes-map-type") == "atomic"


def merges(schema: Schema) -> bool:
    """Whether strategic merge patches merge a list rather than replace it."""
    return "merge" in (schema.get("x-kubernetes-patch-strategy") or "").split(",")


def merge_key(schema: Schema) -> str | None:
    """The field that tells the items of a list apart for strategic merge patches."""
    found: str | None = schema.get("x-kubernetes-patch-merge-key")
    return found


def followed(schema: Schema) -> Schema:
    """A schema, or the one that it refers to; what is said beside the reference holds too."""
    if "$ref" not in schema:
        return schema
    return _type(schema["$ref"]) if len(schema) == 1 else _once(schema, _joined)


def _joined(schema: Schema) -> Schema:
    return {**_type(schema["$ref"]), **{key: value for key, value in schema.items() if key != "$ref"}}


def _with_metadata(schema: Schema) -> Schema:
    return {**schema, "properties": {**(schema.get("properties") or {}), "metadata": META}}


_MADE: dict[int, tuple[Schema, Schema]] = {}
"""What was made of a schema, by its identity, which nobody else has while it is held here. Built-in types stay as they
are, and of custom ones there are as many as their definitions have had forms.
"""


def _once(schema: Schema, make: Callable[[Schema], Schema]) -> Schema:
    held = _MADE.get(id(schema))
    if held is None:
        held = _MADE[id(schema)] = schema, make(schema)
    return held[1]


@functools.cache
def _type(name: str) -> Schema:
    """A built-in type by its short name."""
    return types.schema(name, "")
