"""Hears from Envoy of every request that has ended: its gRPC access log, read from the bytes.

The log is one call that never ends, so that a gRPC library would only be in the way: it takes 0.2 s to import and ten
times as long for each message. Frames are HTTP/2's (RFC 9113, 4 to 6), messages gRPC's (one byte, four of length).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from envoy.service.accesslog.v3 import als_pb2

from knet.dataplane.unsent import UNSENT

METADATA, LEASE = "envoy.filters.http.ext_authz", "x-knet-lease"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _RESET, _SETTINGS, _PING = 0, 3, 4, 6
_ACK, _PADDED = 1, 8
_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65535
_REFILL = 2**30
_SETTINGS_SENT = b"\0\0\6\4\0\0\0\0\0\0\4" + _WINDOW.to_bytes(4)
"""Streams begin with the largest window."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A request that has ended. `unreached`: its pod, or the program in it, took no connection. `first`: seconds from when it came
    until the first byte of the answer came from the pod, if one did.
    """

    lease: str
    unreached: bool
    first: float | None


class Log(asyncio.Protocol):
    """One connection of Envoy's; a worker thread has one."""

    def __init__(self, heard: Callable[[Ended], None], lost: Callable[[], None]) -> None:
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._begun = False
        self._messages: dict[int, bytearray] = {}
        self._taken = {0: 0}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._transport.write(_SETTINGS_SENT + _window(0, _WINDOW - _FIRST_WINDOW))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._begun:
            if len(self._data) < len(_PREFACE):
                return
            if not self._data.startswith(_PREFACE):
                self._close()
                return
            del self._data[: len(_PREFACE)]
            self._begun = True
        at = 0
        while len(self._data) - at >= 9:
            size = int.from_bytes(self._data[at : at + 3])
            if len(self._data) - at < 9 + size:
                break
            kind, flags = self._data[at + 3], self._data[at + 4]
            stream = int.from_bytes(self._data[at + 5 : at + 9]) & _WINDOW
            self._frame(kind, flags, stream, self._data[at + 9 : at + 9 + size])
            at += 9 + size
        del self._data[:at]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytearray) -> None:
        assert self._transport is not None
        if kind == _DATA:
            self._refill(stream, len(payload))
            held = self._messages.setdefault(stream, bytearray())
            held += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
            self._read(held)
        elif kind == _SETTINGS and not flags & _ACK:
            self._transport.write(b"\0\0\0\4\1\0\0\0\0")
        elif kind == _PING and not flags & _ACK:
            self._transport.write(b"\0\0\x08\6\1\0\0\0\0" + payload)
        elif kind == _RESET:
            self._messages.pop(stream, None)
            self._taken.pop(stream, None)
        # HEADERS say nothing that is not known; other frames ask for nothing

    def _refill(self, stream: int, size: int) -> None:
        assert self._transport is not None
        for one in (0, stream):
            taken = self._taken.get(one, 0) + size
            if taken >= _REFILL:
                self._transport.write(_window(one, taken))
                taken = 0
            self._taken[one] = taken

    def _read(self, held: bytearray) -> None:
        at = 0
        while len(held) - at >= 5:
            size = int.from_bytes(held[at + 1 : at + 5])
            if len(held) - at - 5 < size:
                break
            for entry in entries(bytes(held[at + 5 : at + 5 + size])):
                self._heard(entry)
            at += 5 + size
        del held[:at]

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def entries(message: bytes) -> list[Ended]:
    """The requests with a lease that a StreamAccessLogsMessage tells of."""
    said: Any = als_pb2.StreamAccessLogsMessage.FromString(message)
    found = []
    for entry in said.http_logs.log_entry:
        common = entry.common_properties
        if METADATA not in common.metadata.filter_metadata:
            continue
        fields = common.metadata.filter_metadata[METADATA].fields
        if LEASE not in fields:
            continue
        first = None
        if common.HasField("time_to_first_upstream_rx_byte"):
            elapsed = common.time_to_first_upstream_rx_byte
            first = elapsed.seconds + elapsed.nanos / 1e9
        unreached = common.response_flags.upstream_connection_failure or (
            UNSENT in entry.response.response_headers
        )
        found.append(Ended(fields[LEASE].string_value, unreached, first))
    return found


def _window(stream: int, size: int) -> bytes:
    return b"\0\0\4\x08\0" + stream.to_bytes(4) + size.to_bytes(4)
