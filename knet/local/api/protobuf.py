"""Bodies in Kubernetes's protobuf, which current clients send for built-in kinds (kubernetes.io: API concepts).

Only requests are read so: answers are JSON, which every client takes beside it. The numbers of fields are in
`numbers.txt` (`tools/api_numbers.py` writes it), their types in `types.txt`.
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from knet.local.api import openapi_types
from knet.local.api.kinds import Object
from knet.text import json

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class ProtobufError(ValueError):
    """A body that is no Kubernetes protobuf, or of a kind that is only taken as JSON."""


@dataclass(frozen=True, slots=True)
class _Field:
    """`notation` is the type in the notation of types.txt; `inline` is a message whose fields JSON has here."""

    name: str
    notation: str
    pointer: bool
    inline: str = ""


def decode(body: bytes) -> Object:
    """The object in a body. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not begin as Kubernetes's protobuf does")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        meta = {number: _text(value) for number, value in _fields(envelope.get(1, b""))}
        version, kind = meta.get(1, ""), meta.get(2, "")
        group, _, number = version.rpartition("/")
        short = openapi_types.type_name(group, number, kind)
        if kind == "DeleteOptions":
            short = "meta.v1.DeleteOptions"
        if short is None or short not in _numbers():
            raise ProtobufError(f"{kind} of {version} is taken as JSON or YAML only")
        return {"apiVersion": version, "kind": kind, **_message(short, envelope.get(2, b""))}
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, AttributeError, KeyError) as error:
        raise ProtobufError("the body is no protobuf of its kind") from error


@functools.cache
def _numbers() -> dict[str, str]:
    text = resources.files("knet.local.api").joinpath("numbers.txt").read_text()
    return {name: rest for name, _, rest in (line.partition(" ") for line in text.splitlines())}


@functools.cache
def _known(message: str, types: str) -> dict[int, _Field]:
    """The fields of a message by number, typed as `types` has them: for what is inline, the type around it."""
    named = {
        token.partition(":")[0].rstrip("!"): token.partition(":")[2]
        for token in openapi_types.table().get(types, "").split(" ")
        if ":" in token
    }
    found = {}
    for token in _numbers()[message].split(" "):
        name, _, number = token.partition("=")
        pointer = number.endswith("*")
        inline = name[1:] if name.startswith("^") else ""
        found[int(number.rstrip("*"))] = _Field(name, named.get(name, ""), pointer, inline)
    return found


def _message(short: str, raw: bytes, around: str = "") -> Object:
    made: Object = {}
    known = _known(short, around or short)
    for number, value in _fields(raw):
        field = known.get(number)
        if field is None:
            continue
        if field.inline:
            made |= _message(field.inline, value, around or short)
        elif field.notation.startswith("["):
            made.setdefault(field.name, []).append(_value(_inner(field.notation), value))
        elif field.notation.startswith("{"):
            pair = dict(_fields(value))
            key = _text(pair.get(1, b""))
            made.setdefault(field.name, {})[key] = _value(_inner(field.notation), pair.get(2, b""))
        else:
            one = _value(field.notation, value)
            # what is no pointer is always sent: its zero says nothing
            if field.pointer or one not in ("", 0, False, None, {}):
                made[field.name] = one
    return made


def _inner(notation: str) -> str:
    """The type of what a list or map holds."""
    return notation[1:].partition("]" if notation[0] == "[" else "}")[0]


def _value(notation: str, value: Any) -> Any:
    kind = notation.partition("=")[0].partition("~")[0]
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(value)
    if kind in _numbers():
        return _message(kind, value)
    base, _, form = kind.partition("/")
    if base == "boolean":
        return bool(value)
    if base == "integer":
        return value - (1 << 64) if value >> 63 else value
    if base == "string":
        return base64.b64encode(value).decode() if form == "byte" else _text(value)
    raise ProtobufError(f"a {kind or 'field'} is taken as JSON or YAML only")


def _time(raw: bytes) -> str | None:
    parts = dict(_fields(raw))
    if not parts:
        return None
    moment = datetime.fromtimestamp(parts.get(1, 0), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(raw: bytes) -> str | None:
    parts = dict(_fields(raw))
    whole = _time(raw)
    return f"{whole[:-1]}.{parts.get(2, 0) // 1000:06d}Z" if whole else None


def _quantity(raw: bytes) -> str:
    return _text(dict(_fields(raw)).get(1, b""))


def _int_or_string(raw: bytes) -> int | str:
    parts = dict(_fields(raw))
    return _text(parts.get(3, b"")) if parts.get(1) else int(parts.get(2, 0))


def _raw(raw: bytes) -> Any:
    held = dict(_fields(raw)).get(1, b"")
    return json.loads(held) if held else None


_SPECIAL = {
    "meta.v1.Time": _time,
    "meta.v1.MicroTime": _micro_time,
    "meta.v1.FieldsV1": _raw,
    "resource.Quantity": _quantity,
    "intstr.IntOrString": _int_or_string,
    "runtime.RawExtension": _raw,
}


def _text(raw: bytes) -> str:
    return raw.decode()


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of every field of a message: an int, or bytes (protobuf.dev: encoding)."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
        elif wire == _BYTES:
            size, at = _varint(raw, at)
            if at + size > len(raw):
                raise IndexError
            yield number, raw[at : at + size]
            at += size
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            yield number, struct.unpack_from("<d" if size == 8 else "<f", raw, at)[0]
            at += size
        else:
            raise IndexError


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError
