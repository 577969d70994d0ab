"""Whether a schema is structural (KEP 1693): only then pruning and defaulting have a meaning."""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]
Problems = list[tuple[str, str]]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_PRESERVE, _INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_INNER_FORBIDDEN = ("default", "nullable", "additionalProperties", "description")


def structural(schema: Schema, at: str) -> Problems:
    """What keeps a version's whole schema from being structural, as (field path, words)."""
    found: Problems = []
    if "type" not in schema:
        found.append((f"{at}.type", "Required value: must not be empty at the root"))
    elif schema["type"] != "object":
        found.append((f"{at}.type", f'Invalid value: "{schema["type"]}": must be object at the root'))
    return found + _node(schema, at)


def _node(schema: Schema, at: str) -> Problems:
    found: Problems = []
    known, more, kind = schema.get("properties"), schema.get("additionalProperties"), schema.get("type")
    if kind is not None and kind not in _TYPES:
        allowed = ", ".join(f'"{name}"' for name in _TYPES)
        found.append((f"{at}.type", f'Unsupported value: "{kind}": supported values: {allowed}'))
    if known and more is not None and more is not False:
        words = "Forbidden: additionalProperties and properties are mutual exclusive"
        found.append((f"{at}.additionalProperties", words))
    if kind == "array" and not isinstance(schema.get("items"), dict):
        found.append((f"{at}.items", "Required value: must be specified"))
    found += _pattern(schema, at) + _lists(schema, at)
    for junctor in _JUNCTORS:
        for index, inner in enumerate(schema.get(junctor) or ()):
            found += _inner(inner, f"{at}.{junctor}[{index}]")
    for name, inner in (known or {}).items():
        found += _named(inner, f"{at}.properties[{name}]", "for specified object fields")
    if isinstance(schema.get("items"), dict):
        found += _named(schema["items"], f"{at}.items", "for specified array items")
    if isinstance(more, dict):
        found += _named(more, f"{at}.additionalProperties", "for specified object fields")
    return found


def _named(schema: Schema, at: str, what: str) -> Problems:
    """A schema that says what something is: with a type, unless it is one of the two that have none."""
    if "type" not in schema and not (schema.get(_PRESERVE) or schema.get(_INT_OR_STRING)):
        return [(f"{at}.type", f"Required value: must not be empty {what}")]
    return _node(schema, at)


def _inner(schema: Schema, at: str) -> Problems:
    """Inside of allOf, anyOf, oneOf: only what validates, nothing that shapes."""
    return [
        (f"{at}.{key}", "Forbidden: must be undefined to be structural")
        for key in _INNER_FORBIDDEN
        if key in schema
    ]


def _pattern(schema: Schema, at: str) -> Problems:
    """Patterns are Go's; one that Python cannot read is refused rather than passed over."""
    if not isinstance(pattern := schema.get("pattern"), str):
        return []
    try:
        re.compile(pattern)
    except re.error as error:
        return [
            (
                f"{at}.pattern",
                f'Invalid value: "{pattern}": must be a valid regular expression, but isn\'t: {error}',
            )
        ]
    return []


def _lists(schema: Schema, at: str) -> Problems:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if kind == "map" and not keys:
        words = "Required value: must not be empty if x-kubernetes-list-type is map"
        return [(f"{at}.x-kubernetes-list-map-keys", words)]
    if kind is not None and kind not in ("atomic", "set", "map"):
        words = f'Unsupported value: "{kind}": supported values: "atomic", "map", "set"'
        return [(f"{at}.x-kubernetes-list-type", words)]
    return []
