"""JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonpatch
import jsonpointer

from knet.local.api.errors import Refused, bad_request
from knet.local.api.shapes import OPEN, Schema, child, item, merge_key, merges
from knet.text import json

_DIRECTIVE = "$patch"
_DELETE_PRIMITIVE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def merge(current: Any, patch: Any) -> Any:
    """RFC 7386: null removes, mappings merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(current) if isinstance(current, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def json_patch(current: Any, patch: Any) -> Any:
    """RFC 6902. Raises Refused: 400 for a patch that is none, 422 where it does not apply."""
    if not isinstance(patch, list):
        raise bad_request("json patch: the body is no list of operations")
    try:
        return jsonpatch.apply_patch(json.copied(current), patch, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        # a server's own words; what the library says would repeat the whole object
        message = "the server rejected our request due to an error in our request"
        raise Refused(422, "Invalid", message) from error


def strategic(current: Any, patch: Any, schema: Schema) -> Any:
    """Strategic merge: as `merge`, but lists merge by their keys where the schema says so; with directives."""
    if not isinstance(patch, Mapping):
        return patch
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    if patch.get(_DIRECTIVE) == "replace":
        return {k: v for k, v in patch.items() if k != _DIRECTIVE}
    out = dict(current) if isinstance(current, Mapping) else {}
    if keep := patch.get(_RETAIN):
        out = {k: v for k, v in out.items() if k in keep}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVE):
            field = key.removeprefix(_DELETE_PRIMITIVE)
            out[field] = [item for item in out.get(field) or () if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            out.pop(key, None)
        elif isinstance(value, list):
            order = patch.get(_ORDER + key, value)
            out[key] = _list(out.get(key) or [], value, order, child(schema, key) or OPEN)
        else:
            out[key] = strategic(out.get(key), value, child(schema, key) or OPEN)
    for key, order in patch.items():
        field = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and field not in patch:
            out[field] = _list(out.get(field) or [], [], order, child(schema, field) or OPEN)
    return out


def _list(current: list[Any], patch: list[Any], order: list[Any], schema: Schema) -> list[Any]:
    if not merges(schema):
        return patch
    key = merge_key(schema)
    if key is None:
        both = [*current, *(item for item in patch if item not in current)]
        return _ordered(both, current, order, str)
    if not all(isinstance(each, Mapping) for each in patch):
        raise bad_request(f"cannot merge a list of things named by {key} with one that is none")
    if any(each.get(_DIRECTIVE) == "replace" for each in patch):
        return [each for each in patch if each.get(_DIRECTIVE) != "replace"]
    if any(key not in each for each in patch):
        raise bad_request(f"map: {patch} does not contain declared merge key: {key}")
    gone = [each[key] for each in patch if each.get(_DIRECTIVE) == "delete"]
    out = [each for each in current if each.get(key) not in gone]
    for change in patch:
        if change.get(_DIRECTIVE) == "delete":
            continue
        at = next((i for i, have in enumerate(out) if have.get(key) == change.get(key)), None)
        if at is None:
            out.append(strategic({}, change, item(schema)))
        else:
            out[at] = strategic(out[at], change, item(schema))
    return _ordered(out, current, order, lambda each: str(each.get(key)))


def _ordered(items: list[Any], before: list[Any], order: list[Any], name: Callable[[Any], str]) -> list[Any]:
    """The items in the order that the patch gives them. One that it does not name stays before the first of
    those that it stood before, and comes last otherwise.
    """
    places = {name(item): place for place, item in enumerate(before)}
    wanted = {name(item): rank for rank, item in enumerate(order)}
    named = sorted((item for item in items if name(item) in wanted), key=lambda item: wanted[name(item)])
    others = [item for item in items if name(item) not in wanted]
    out = []
    while named and others:
        first, other = places.get(name(named[0])), places.get(name(others[0]))
        earlier = first is not None and other is not None and other < first
        out.append(others.pop(0) if earlier else named.pop(0))
    return [*out, *named, *others]
