"""What a pod or an activator reports, and how it travels: Knative's `metrics.Stat` and `WireStatMessages`.

Both are protobuf. They are written and read here by their definition (a handful of fields), so that neither the
pure core nor a queue-proxy needs a protobuf library for them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DOUBLE, _BYTES, _VARINT, _FLOAT = 1, 2, 0, 5


@dataclass(frozen=True, slots=True)
class Stat:
    """One report. Counts are requests of the last period (a second); `proxied_*` is the part of each that came
    by a proxy, and is counted there. `uptime` is seconds.
    """

    pod: str = ""
    concurrency: float = 0.0
    proxied_concurrency: float = 0.0
    requests: float = 0.0
    proxied_requests: float = 0.0
    uptime: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """A Stat and the revision that it is about."""

    namespace: str
    revision: str
    stat: Stat


def numbers(stat: Stat) -> tuple[float, ...]:
    """The numbers of a report in the order of protobuf's fields 2 to 6."""
    return (
        stat.concurrency,
        stat.proxied_concurrency,
        stat.requests,
        stat.proxied_requests,
        stat.uptime,
    )


def encode(stat: Stat) -> bytes:
    """As protobuf (`metrics.Stat`: a string and five doubles; what is zero is left out)."""
    made = _text(1, stat.pod)
    for number, value in enumerate(numbers(stat), start=2):
        if value:
            made += struct.pack("<Bd", number << 3 | _DOUBLE, value)
    return made


def decode(data: bytes) -> Stat:
    """A report of protobuf; fields that are not known are passed over. Raises ValueError for anything else."""
    pod, found = "", [0.0] * 5
    for number, kind, value in _fields(data):
        if number == 1 and kind == _BYTES:
            pod = _string(value)
        elif 2 <= number <= 6 and kind == _DOUBLE:
            (found[number - 2],) = struct.unpack("<d", value)
    return Stat(pod, *found)


def encode_reports(reports: Iterable[Report]) -> bytes:
    """As protobuf (`metrics.WireStatMessages`): what an activator sends in one binary frame."""
    return b"".join(
        _block(1, _text(1, r.namespace) + _text(2, r.revision) + _block(3, encode(r.stat))) for r in reports
    )


def decode_reports(data: bytes) -> list[Report]:
    """The reports of one frame. Raises ValueError for what is no `WireStatMessages`."""
    return [_report(value) for number, kind, value in _fields(data) if number == 1 and kind == _BYTES]


def _report(data: bytes) -> Report:
    namespace = revision = ""
    stat = Stat()
    for number, kind, value in _fields(data):
        if kind != _BYTES:
            continue
        if number == 1:
            namespace = _string(value)
        elif number == 2:
            revision = _string(value)
        elif number == 3:
            stat = decode(value)
    return Report(namespace, revision, stat)


def _text(number: int, value: str) -> bytes:
    return _block(number, value.encode()) if value else b""


def _block(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)


def _string(value: bytes) -> str:
    return value.decode()  # UnicodeDecodeError is a ValueError


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, wire type, bytes) of every field; a varint has none, nobody reads one here."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _read_varint(data, at)
            yield tag >> 3, kind, b""
            continue
        if kind == _BYTES:
            size, at = _read_varint(data, at)
        elif kind == _DOUBLE:
            size = 8
        elif kind == _FLOAT:
            size = 4
        else:
            raise ValueError(f"a protobuf field of type {kind} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"protobuf ends within a field at byte {at}")
        yield tag >> 3, kind, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("protobuf ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError(f"a protobuf number of more than ten bytes at byte {at}")
