"""What does not fit a model, told so that it teaches: what is there, what is wanted, how to mend it."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.text import json

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_UNION_ARMS = {"int", "str", "bool", "float"}
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def explain(
    model: type[BaseModel], error: ValidationError, about: ObjectRef | None = None, *, secret: bool = False
) -> Iterator[Diagnostic]:
    """One diagnostic for each field of plain data that `model` does not take; `secret`: values are not shown."""
    seen: set[tuple[Any, ...]] = set()
    for found in error.errors(include_url=False):
        loc = tuple(found["loc"])
        if (
            loc
            and loc[-1] in _UNION_ARMS
            and found["type"].split("_")[0] in {"int", "string", "bool", "float"}
        ):
            loc = loc[:-1]
        if loc in seen:
            continue
        seen.add(loc)
        yield _diagnostic(model, about, loc, dict(found), secret=secret)


def _diagnostic(
    model: type[BaseModel],
    ref: ObjectRef | None,
    loc: tuple[Any, ...],
    found: dict[str, Any],
    *,
    secret: bool,
) -> Diagnostic:
    field = path(loc)
    if found["type"] == "extra_forbidden":
        known = _fields(model, loc[:-1])
        close = difflib.get_close_matches(str(loc[-1]), known, 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
        return checks.UNKNOWN_FIELD(f'unknown field "{loc[-1]}"', about=ref, field=field, hint=hint)
    if found["type"] == "missing":
        return checks.WRONG_TYPE("is required and missing", about=ref, field=field, hint="write it")
    arms = _arms(model, loc)
    want = " or ".join(arms) if len(arms) > 1 else _WANTED.get(found["type"], "")
    if found["type"] == "literal_error":
        want = "one of " + found["ctx"]["expected"].replace("'", '"')
    got = _shown(found["input"], secret=secret)
    message = f"must be {want}, not {got}" if want else f"{found['msg'].lower()}: {got}"
    return checks.WRONG_TYPE(message, about=ref, field=field, hint=_mend(want, found["input"]))


def _mend(want: str, got: Any) -> str:
    if want == "text" and isinstance(got, (int, float)):
        return "put it in quotes"
    if want == "a whole number" and isinstance(got, str) and got.strip().lstrip("+-").isdigit():
        return "write it without quotes"
    if want == "a list" and got is not None:
        return "begin each item with a dash"
    if want == "a mapping" and isinstance(got, list):
        return "write it without the dash"
    return "write " + want if want else ""


def _shown(value: Any, *, secret: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if secret:
        return "text" if isinstance(value, str) else "a number"
    text = json.dumps(value).decode()
    return text if len(text) <= 60 else text[:57] + '…"'


def path(loc: Sequence[Any]) -> str:
    """A pydantic location as Knative writes field paths: `spec.rules[0].appendHeaders[X-A]`."""
    out = ""
    for step in loc:
        if isinstance(step, int):
            out += f"[{step}]"
        elif _NAME.match(step):
            out += f".{step}" if out else step
        elif step != "[key]":
            out += f"[{step}]"
    return out


def _walk(hint: Any, loc: Sequence[Any]) -> Any:
    """The annotation at a location of a model."""
    for step in loc:
        hint = _strip(hint)
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            named = {(f.alias or n): f.annotation for n, f in hint.model_fields.items()}
            hint = named.get(step)
        else:
            arguments = get_args(hint)
            hint = arguments[1 if get_origin(hint) is dict else 0] if arguments else None
    return hint


def _strip(hint: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _fields(model: type[BaseModel], loc: Sequence[Any]) -> list[str]:
    at = _strip(_walk(model, loc))
    if isinstance(at, type) and issubclass(at, BaseModel):
        return [f.alias or n for n, f in at.model_fields.items()]
    return []


def _arms(model: type[BaseModel], loc: Sequence[Any]) -> list[str]:
    """In words, what a field of several types takes (`servicePort`: a whole number or text)."""
    at = _strip(_walk(model, loc))
    words = {int: "a whole number", str: "text", bool: "true or false", float: "a number"}
    if get_origin(at) in (Union, types.UnionType):
        return [words[a] for a in get_args(at) if a in words]
    if get_origin(at) is Literal:
        return []
    return []
