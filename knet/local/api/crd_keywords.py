"""The words of structural schemas for the jsonschema library: where they differ from JSON Schema draft 4, and what
an API server says when one is broken (messages as kube-openapi and apimachinery's field errors word them).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from knet.text import duration, json

_LIST, _KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"


def words(error: ValidationError, path: str) -> str:
    """What an API server says of an error at a field path."""
    said = _WORDS.get(str(error.validator), _must_match)
    return said(error, path)


def _type(validator: Any, wanted: str, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    if value is None and schema.get("nullable"):
        return
    if not schema.get("x-kubernetes-int-or-string") and not validator.is_type(value, wanted):
        yield ValidationError(wanted)


def _int_or_string(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
    if wanted and (isinstance(value, bool) or not isinstance(value, (int, str))):
        yield ValidationError("integer,string")


def _enum(_: Any, allowed: list[Any], value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    if not (value is None and schema.get("nullable")) and value not in allowed:
        yield ValidationError("enum")


def _required(_: Any, names: list[str], value: Any, __: Any) -> Iterator[ValidationError]:
    """One error for each missing field, at the field's own path."""
    if isinstance(value, dict):
        yield from (ValidationError("required", path=[name]) for name in names if name not in value)


def _embedded(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(value, dict):
        for name in ("apiVersion", "kind"):
            if not value.get(name):
                yield ValidationError("required", path=[name], validator="required")


def _list_type(_: Any, kind: str, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Sets and maps hold nothing twice."""
    if kind == "atomic" or not isinstance(value, list):
        return
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        entry = item
        if kind == "map" and isinstance(item, dict):
            entry = {key: item.get(key, _default_of(schema, key)) for key in schema.get(_KEYS, ())}
        identity = json.canonical(entry)
        if identity in seen:
            yield ValidationError("duplicate", path=[index], instance=entry)
        seen.add(identity)


def _default_of(schema: dict[str, Any], key: str) -> Any:
    return ((schema.get("items") or {}).get("properties") or {}).get(key, {}).get("default")


Said = Callable[[ValidationError, str], str]


def type_of(value: Any) -> str:
    """The JSON type of a value, by the name that messages use."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _value(value: Any) -> str:
    """As Go prints it in field errors: strings quoted, objects as JSON."""
    if value is None:
        return "null"
    return json.go(value).decode() if isinstance(value, (str, dict, list, bool)) else f"{value}"


def _body(text: str) -> Said:
    def said(error: ValidationError, path: str) -> str:
        return f"Invalid value: {_value(error.instance)}: {path} in body {text.format(error.validator_value)}"

    return said


def _wrong_type(error: ValidationError, path: str) -> str:
    name = type_of(error.instance)
    return f'Invalid value: "{name}": {path} in body must be of type {error.message}: "{name}"'


def _unsupported(error: ValidationError, _: str) -> str:
    values: Any = error.validator_value
    allowed = ", ".join(_value(item if isinstance(item, str) else _value(item)) for item in values)
    return f"Unsupported value: {_value(error.instance)}: supported values: {allowed}"


def _too_many(error: Any, _: str) -> str:
    most, value = error.validator_value, error.instance
    items = "item" if most == 1 else "items"
    return f"Too many: {len(value)}: must have at most {most} {items}"


def _too_long(error: ValidationError, _: str) -> str:
    return f"Too long: may not be more than {error.validator_value} bytes"


def _bound(error: Any, path: str) -> str:
    """Of minimum and maximum, exclusive or not."""
    low = error.validator == "minimum"
    excluded = error.schema.get("exclusiveMinimum" if low else "exclusiveMaximum")
    than = ("greater" if low else "less") + " than" + ("" if excluded else " or equal to")
    return f"Invalid value: {_value(error.instance)}: {path} in body should be {than} {error.validator_value}"


def _must_match(error: ValidationError, path: str) -> str:
    """allOf, anyOf, oneOf, not: what did not hold of the whole."""
    how = {
        "anyOf": "must validate at least one schema (anyOf)",
        "oneOf": "must validate one and only one schema (oneOf)",
        "not": "must not validate the schema (not)",
    }.get(str(error.validator), error.message)
    return f'Invalid value: "": "{path}" {how}'


_WORDS: dict[str, Said] = {
    "type": _wrong_type,
    "x-kubernetes-int-or-string": _wrong_type,
    "required": lambda _error, _path: "Required value",
    "enum": _unsupported,
    _LIST: lambda error, _: f"Duplicate value: {_value(error.instance)}",
    "minimum": _bound,
    "maximum": _bound,
    "multipleOf": _body("should be a multiple of {}"),
    "minLength": _body("should be at least {} chars long"),
    "maxLength": _too_long,
    "pattern": _body("should match '{}'"),
    "minItems": _body("should have at least {} items"),
    "maxItems": _too_many,
    "minProperties": _body("should have at least {} properties"),
    "maxProperties": _too_many,
    "format": lambda error, path: (
        f"Invalid value: {_value(error.instance)}: {path} in body must be of type {error.validator_value}: "
        f"{_value(error.instance)}"
    ),
}

_FORMATS = FormatChecker(formats=())


def _format(name: str, *wrong: type[Exception]) -> Callable[[Callable[[str], object]], None]:
    """Registers a format of text: its parser, and what that raises."""

    def register(parse: Callable[[str], object]) -> None:
        def holds(value: object) -> bool:
            if isinstance(value, str):
                parse(value)
            return True

        _FORMATS.checks(name, raises=wrong)(holds)

    return register


_format("date-time", ValueError)(dt.datetime.fromisoformat)
_format("date", ValueError)(dt.date.fromisoformat)
_format("duration", ValueError)(duration.parse)
_format("ipv4", ValueError)(ipaddress.IPv4Address)
_format("ipv6", ValueError)(ipaddress.IPv6Address)
_format("cidr", ValueError)(lambda text: ipaddress.ip_network(text, strict=False))
_format("uuid", ValueError)(uuid.UUID)
_format("byte", binascii.Error, ValueError)(lambda text: base64.b64decode(text, validate=True))


def _sized(name: str, bits: int) -> None:
    def holds(value: object) -> bool:
        return not isinstance(value, int) or -(1 << bits - 1) <= value < 1 << bits - 1

    _FORMATS.checks(name)(holds)


_sized("int32", 32)
_sized("int64", 64)

_Extended: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    Draft4Validator,
    {
        "type": _type,
        "enum": _enum,
        "required": _required,
        "x-kubernetes-int-or-string": _int_or_string,
        "x-kubernetes-embedded-resource": _embedded,
        _LIST: _list_type,
    },
)


def compiled(schema: dict[str, Any]) -> Any:
    """A jsonschema validator of one structural schema."""
    return _Extended(schema, format_checker=_FORMATS)
