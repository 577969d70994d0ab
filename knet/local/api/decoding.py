"""Whether objects have the types that every typed client reads them with.

A real API server decodes what it is sent into Go structs, so nothing of another type is ever stored; the words are
those of Go's JSON decoder. Custom kinds have their own schema for that, and this for their metadata.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from knet.local.api import shapes
from knet.local.api.kinds import Kind, Object
from knet.text.json import same

Path = tuple[str, ...]

PYTHON: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_JSON = {bool: "bool", str: "string", int: "number", float: "number", dict: "object", list: "array"}
_GO = {"boolean": "bool", "number": "float64"}
BITS = {"int32": 31, "int64": 63}

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+|[numkMGTPE]|[KMGTPE]i)?\Z")
_NO_TIME = 'parsing time "{}" as "2006-01-02T15:04:05Z07:00": it is none'
_NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', and \"{}\" does not"
SPECIAL: dict[str, tuple[tuple[type, ...], re.Pattern[str], str]] = {
    "meta.v1.Time": ((str,), _TIME, _NO_TIME),
    "meta.v1.MicroTime": ((str,), _TIME, _NO_TIME),
    "intstr.IntOrString": ((str, int), re.compile(""), ""),
    "resource.Quantity": ((str, int, float), _QUANTITY, _NO_QUANTITY),
}
"""Types that decode themselves: from what, what text must look like, and the words where it does not."""
_DECODED = {"meta.v1.Time": "string", "meta.v1.MicroTime": "string", "intstr.IntOrString": "int32"}


def mistyped(kind: Kind, item: Object, old: Object | None = None) -> str:
    """What is wrong with the first field of a wrong type, in Go's words; empty if there is none.

    What is as it was in `old`, which is right, is not looked at again.
    """
    was = old or {}
    if kind.schema is None:
        return next(_wrong(item, shapes.of(kind), kind.kind, (), was), "")
    return next(
        _wrong(item["metadata"], shapes.META, kind.kind, ("metadata",), was.get("metadata") or {}), ""
    )


def _wrong(value: Any, schema: shapes.Schema, holder: str, at: Path, was: Any = None) -> Iterator[str]:
    """`holder` is the struct that has the field `at`."""
    short = schema.get("$ref", "")
    inner = shapes.followed(schema)
    wanted = inner.get("type")
    if value is None or (wanted is None and short not in SPECIAL):
        return
    types, pattern, words = SPECIAL.get(short) or (PYTHON[str(wanted)], None, "")
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        said = f"number {value}" if isinstance(value, float) else _JSON[type(value)]
        yield _unlike(said, schema, holder, at)
    elif isinstance(value, dict):
        known, each = inner.get("properties") or {}, inner.get("additionalProperties")
        struct = short.rpartition(".")[2] or holder
        before = was if isinstance(was, dict) else {}
        for key, part in value.items():
            if isinstance(field := known.get(key, each), dict):
                if key in before and same(part, before[key]):
                    continue
                yield from _wrong(part, field, struct, (*at, key) if key in known else at, before.get(key))
    elif isinstance(value, list):
        for part in value:
            yield from _wrong(part, inner.get("items") or shapes.OPEN, holder, at)
    elif pattern is not None:
        if isinstance(value, str) and not pattern.match(value):
            yield f"{'.'.join(at)}: {words.format(value)}"
    elif isinstance(value, str):
        if inner.get("format") == "byte" and not _is_base64(value):
            yield f"{'.'.join(at)}: illegal base64 data"
    elif wanted == "integer" and not _fits(value, str(inner["format"])):
        yield _unlike(f"number {value}", schema, holder, at)


def _unlike(said: str, schema: shapes.Schema, holder: str, at: Path) -> str:
    field = f"{holder}.{'.'.join(at)}"
    return f"json: cannot unmarshal {said} into Go struct field {field} of type {_go_type(schema)}"


def _go_type(schema: shapes.Schema) -> str:
    if short := str(schema.get("$ref", "")):
        return _DECODED.get(short) or short.partition(".")[2]
    if "items" in schema:
        return f"[]{_go_type(schema['items'])}"
    if isinstance(each := schema.get("additionalProperties"), dict):
        return f"map[string]{_go_type(each)}"
    kind = str(schema["type"])
    return _GO.get(kind) or str(schema.get("format") or kind)


def _fits(value: Any, form: str) -> bool:
    most = 1 << BITS[form]
    return bool(-most <= value < most)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return False
    return True
