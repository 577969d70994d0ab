"""OpenAPI v2 documents in protobuf: the only form of /openapi/v2 that kubectl reads.

The messages are those of gnostic's OpenAPIv2.proto (package openapi.v2); a table gives the number and kind of each
field that our documents use. What has no field of its own is a vendor extension, its value as YAML (JSON is).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from knet.text import json

ACCEPTED = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
)
CONTENT_TYPE = ACCEPTED[1]
"""What old clients ask for is no media type by the rules of HTTP, and they refuse to be answered with it."""

Encoder = Callable[[int, Any], bytes]
"""(field number, value) → the field on the wire."""


def encode(document: dict[str, Any]) -> bytes:
    """The protobuf form of what `openapi.v2` makes."""
    return _message(document, _DOCUMENT)


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # negative numbers are ten bytes long
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _string(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _integer(number: int, value: float) -> bytes:
    return _varint(number << 3) + _varint(int(value))


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    return _bytes(number, _string(2, json.dumps(value).decode()))


def _each(encoder: Encoder) -> Encoder:
    return lambda number, values: b"".join(encoder(number, value) for value in values)


def _named(encoder: Encoder, inner: int = 1) -> Encoder:
    """A map: a message of (name, value) pairs, which are its field `inner`."""

    def written(number: int, values: dict[str, Any]) -> bytes:
        pairs = (_bytes(inner, _string(1, name) + encoder(2, value)) for name, value in values.items())
        return _bytes(number, b"".join(pairs))

    return written


def _of(fields: Callable[[], dict[str, tuple[int, Encoder]]], *wrapped: int) -> Encoder:
    """A message, inside of the messages whose only field has the numbers `wrapped`."""

    def written(number: int, value: dict[str, Any]) -> bytes:
        made = _message(value, fields())
        for around in reversed(wrapped):
            made = _bytes(around, made)
        return _bytes(number, made)

    return written


def _schema(number: int, value: dict[str, Any]) -> bytes:
    return _bytes(number, _message(value, _SCHEMA))


def _additional(number: int, value: dict[str, Any] | bool) -> bytes:
    return _bytes(number, _integer(2, value) if isinstance(value, bool) else _schema(1, value))


def _parameter(number: int, value: dict[str, Any]) -> bytes:
    """ParametersItem { Parameter { BodyParameter | NonBodyParameter { QueryParameterSubSchema } } }."""
    body = value["in"] == "body"
    made = _bytes(1, _message(value, _BODY)) if body else _bytes(2, _bytes(3, _message(value, _QUERY)))
    return _bytes(number, _bytes(1, made))


def _message(value: dict[str, Any], fields: dict[str, tuple[int, Encoder]]) -> bytes:
    out = bytearray()
    for key, part in value.items():
        if key in fields:
            number, encoder = fields[key]
            out += encoder(number, part)
        elif key.startswith("x-"):
            out += _bytes(fields["x-"][0], _string(1, key) + _any(2, part))
    return bytes(out)


_EXTENSION: Encoder = _any
_SCHEMA: dict[str, tuple[int, Encoder]] = {
    "$ref": (1, _string),
    "format": (2, _string),
    "title": (3, _string),
    "description": (4, _string),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _integer),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _integer),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _string),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _each(_string)),
    "enum": (20, _each(_any)),
    "additionalProperties": (21, _additional),
    "type": (22, lambda number, value: _bytes(number, _string(1, value))),
    "items": (23, lambda number, value: _bytes(number, _schema(1, value))),
    "properties": (25, _named(_schema)),
    "x-": (31, _EXTENSION),
}
_QUERY: dict[str, tuple[int, Encoder]] = {
    "in": (2, _string),
    "name": (4, _string),
    "type": (6, _string),
    "uniqueItems": (20, _integer),
    "x-": (23, _EXTENSION),
}
_BODY: dict[str, tuple[int, Encoder]] = {
    "name": (2, _string),
    "in": (3, _string),
    "required": (4, _integer),
    "schema": (5, _schema),
    "x-": (6, _EXTENSION),
}
_RESPONSE: dict[str, tuple[int, Encoder]] = {"description": (1, _string)}
_OPERATION: dict[str, tuple[int, Encoder]] = {
    "parameters": (8, _each(_parameter)),
    "responses": (9, _named(_of(lambda: _RESPONSE, 1))),
    "x-": (13, _EXTENSION),
}
_PATH: dict[str, tuple[int, Encoder]] = {
    "get": (2, _of(lambda: _OPERATION)),
    "patch": (8, _of(lambda: _OPERATION)),
    "x-": (10, _EXTENSION),
}
_INFO: dict[str, tuple[int, Encoder]] = {"title": (1, _string), "version": (2, _string)}
_DOCUMENT: dict[str, tuple[int, Encoder]] = {
    "swagger": (1, _string),
    "info": (2, _of(lambda: _INFO)),
    "paths": (8, _named(_of(lambda: _PATH), 2)),
    "definitions": (9, _named(_schema)),
}
