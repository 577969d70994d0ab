"""Structural schemas: what a custom resource may hold (kubernetes.io: custom resource definitions, validation).

Three passes over an object, as a real API server makes them: `prune` drops what the schema does not name, `fill`
puts defaults in, `problems` says what is wrong. CEL rules (x-kubernetes-validations) are kept and not evaluated.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from knet.local.api import shapes
from knet.local.api.crd_keywords import compiled, words
from knet.text.json import same

Object = dict[str, Any]
Schema = dict[str, Any]
Problems = list[tuple[str, str]]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})
_V2_UNKNOWN = frozenset({"allOf", "anyOf", "oneOf", "not", "nullable", "example", "externalDocs"})


def prune(value: Object, schema: Schema, old: Object | None = None) -> list[str]:
    """Drops, in place, what the schema of a kind does not name; says the paths of what went.

    What is as it was in `old`, from which all such has gone, is not looked at again.
    """
    dropped: list[str] = []
    _prune(value, schema, "", dropped, embedded=True, was=old)
    return dropped


def _prune(
    value: Any, schema: Schema, at: str, dropped: list[str], *, embedded: bool, was: Any = None
) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            each = shapes.item(schema)
            _prune(item, each, f"{at}[{index}]", dropped, embedded=bool(each.get(_EMBEDDED)))
    elif isinstance(value, dict):
        before = was if isinstance(was, dict) else {}
        for key in list(value):
            if key in before and same(value[key], before[key]):
                continue
            path = f"{at}.{key}" if at else key
            inner = shapes.child(schema, key)
            if inner is not None:
                again = bool(inner.get(_EMBEDDED))
                _prune(value[key], inner, path, dropped, embedded=again, was=before.get(key))
            elif not (embedded and key in _TYPE_META) and not _open(schema):
                del value[key]
                dropped.append(path)


def _open(schema: Schema) -> bool:
    return bool(schema.get(_PRESERVE)) or schema.get("additionalProperties") is True


def fill(value: Any, schema: Schema) -> None:
    """Puts the schema's defaults, in place, where nothing is said.

    Where null is said and may not be, it counts as nothing said.
    """
    if isinstance(value, list):
        for item in value:
            fill(item, schema.get("items") or {})
    elif isinstance(value, dict):
        known, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for key in [key for key, part in value.items() if part is None]:
            if isinstance(inner := known.get(key, more), dict) and not inner.get("nullable"):
                del value[key]
        for key, inner in known.items():
            if key not in value and "default" in inner:
                value[key] = copy.deepcopy(inner["default"])
        for key, part in value.items():
            inner = known.get(key, more)
            if isinstance(inner, dict):
                fill(part, inner)


def checker(schema: Schema) -> Callable[[Object, Object | None], Problems]:
    """A check of (new object, old object or None): what is wrong, as (field path, words), in upstream's words.

    What was wrong before and has not changed is let through (KEP 4008, ratcheting).
    """
    validator = compiled(schema)

    def check(new: Object, old: Object | None) -> Problems:
        found = [(list(error.absolute_path), error) for error in validator.iter_errors(new)]
        return [
            (field_path(path), words(error, field_path(path)))
            for path, error in sorted(found, key=lambda pair: list(map(str, pair[0])))
            if old is None or not _unchanged(path, new, old)
        ]

    return check


def field_path(parts: list[str | int]) -> str:
    """`["spec", "rules", 0, "hosts"]` → `spec.rules[0].hosts`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "<nil>"


def for_openapi_v2(schema: Schema) -> Schema:
    """A schema without what OpenAPI v2 has no word for, and without what makes kubectl refuse unknown fields."""
    made = {key: part for key, part in schema.items() if key not in _V2_UNKNOWN}
    loose = schema.get(_PRESERVE) or schema.get("nullable")
    if loose or schema.get("x-kubernetes-int-or-string"):
        for key in ("type", "items", "properties", "required", "additionalProperties"):
            made.pop(key, None)
        return made
    if "properties" in made:
        made["properties"] = {name: for_openapi_v2(part) for name, part in made["properties"].items()}
        nullable = {name for name, part in schema["properties"].items() if part.get("nullable")}
        made["required"] = [name for name in made.get("required", ()) if name not in nullable]
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = for_openapi_v2(made[key])
    return made


def _unchanged(path: list[str | int], new: Any, old: Any) -> bool:
    """Whether what an error is about stood there before; lists are compared as wholes."""
    for part in path:
        if isinstance(part, int) or not isinstance(new, dict) or not isinstance(old, dict):
            break
        if part not in new or part not in old:
            return part not in new and new == old  # a required field, missing as before
        new, old = new[part], old[part]
    return bool(new == old)
