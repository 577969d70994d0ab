"""JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonpatch
import jsonpointer

from knet.local.api.errors import Refused, bad_request
from knet.local.api.patches.lists import SETS, merge_key

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
        return jsonpatch.apply_patch(current, patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"json patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise Refused(422, "Invalid", message) from error


def strategic(current: Any, patch: Any) -> Any:
    """Strategic merge: as `merge`, but lists of named things merge by name (`lists`), with directives."""
    if not isinstance(patch, Mapping):
        return patch
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
            out[key] = _list(key, out.get(key) or [], value)
        else:
            out[key] = strategic(out.get(key), value)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            out[field] = _ordered(field, out.get(field) or [], order)
    return out


def _list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in SETS:
        return [*current, *(item for item in patch if item not in current)]
    if any(isinstance(i, Mapping) and i.get(_DIRECTIVE) == "replace" for i in patch):
        return [i for i in patch if i.get(_DIRECTIVE) != "replace"]
    name = merge_key(field, current, patch)
    if name is None:
        return patch
    out = list(current)
    for item in patch:
        at = next((i for i, have in enumerate(out) if have.get(name) == item.get(name)), None)
        if item.get(_DIRECTIVE) == "delete":
            if at is not None:
                del out[at]
        elif at is None:
            out.append(strategic({}, item))
        else:
            out[at] = strategic(out[at], item)
    return out


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    """Items in the order that the client says; those it does not name keep their places after them."""
    name = merge_key(field, items, order)
    if name is None:
        ranks = {str(value): i for i, value in enumerate(order)}
        return sorted(items, key=lambda item: ranks.get(str(item), len(ranks)))
    ranks = {str(value.get(name)): i for i, value in enumerate(order)}
    return sorted(items, key=lambda item: ranks.get(str(item.get(name)), len(ranks)))
