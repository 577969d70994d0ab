"""Joining serialised protobuf messages without building them again.

The encoding defines both steps used here: a message in a field is its tag, its length and its bytes, and
the concatenation of two encodings of a message is the encoding of their merge
(protobuf.dev/programming-guides/encoding). So a fragment that thousands of resources share is serialised
once. Field numbers come from the generated classes, never from memory.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2

_LENGTH_DELIMITED = 2


def varint(number: int) -> bytes:
    """A non-negative number as a base-128 varint."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_SIZES = tuple(varint(n) for n in range(2048))
"""Nearly every fragment is shorter than this."""


def tag(message: Any, field: str) -> bytes:
    """What comes before a string, bytes or message field of a generated message class.

    Raises KeyError if the class has no such field.
    """
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | _LENGTH_DELIMITED)


def embed(prefix: bytes, payload: bytes) -> bytes:
    """A field with its payload; `prefix` is its `tag`."""
    size = len(payload)
    return prefix + (_SIZES[size] if size < 2048 else varint(size)) + payload


def text(prefix: bytes, value: str) -> bytes:
    """A string field. Raises UnicodeEncodeError for lone surrogates, which no protobuf string can hold."""
    payload = value.encode()
    size = len(payload)
    return prefix + (_SIZES[size] if size < 2048 else varint(size)) + payload


def serialize(message: Any) -> bytes:
    """A message's bytes; equal messages give equal bytes, maps included."""
    made: bytes = message.SerializeToString(deterministic=True)
    return made


def pack(message: Any) -> any_pb2.Any:
    """A message in an Any, as Envoy's typed configs want it."""
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed
