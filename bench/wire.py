"""What goes over loopback at a port, by the kernel's clock: when each request came to a server, and when its answer left.

No process has to be scheduled for it, so that it tells what a server had inside while the machine is busy. It takes the
right to read packets (root, or CAP_NET_RAW).
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field

_ALL = 3
_OUTGOING = 4
_SO_TIMESTAMPNS = 35
_ETHERNET, _TCP = 14, 6
_ROOM = 1 << 24


@dataclass
class Wire:
    """A context: while inside, it listens. One request at a time on each connection."""

    port: int
    begun: dict[int, float] = field(default_factory=dict)
    spans: list[tuple[float, float]] = field(default_factory=list)

    def __enter__(self) -> Wire:
        """Raises PermissionError without the right to."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def average(self, start: float, end: float) -> float:
        """Requests inside, on average, between two moments (seconds since 1970)."""
        spans = [*self.spans, *((begin, end) for begin in self.begun.values())]
        return sum(max(min(b, end) - max(a, start), 0.0) for a, b in spans) / (end - start)

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                data, told, _, (_, _, kind, *_) = self._socket.recvmsg(256, 64)
            except TimeoutError:
                continue
            if kind == _OUTGOING:  # on loopback each packet comes twice
                continue
            seconds, nanos = struct.unpack("qq", told[0][2])
            self._packet(data, seconds + nanos / 1e9)

    def _packet(self, data: bytes, at: float) -> None:
        head = data[_ETHERNET : _ETHERNET + 20]
        if len(head) < 20 or head[0] >> 4 != 4 or head[9] != _TCP:
            return
        size = (head[0] & 15) * 4
        tcp = data[_ETHERNET + size :]
        if len(tcp) < 20 or int.from_bytes(head[2:4]) <= size + (tcp[12] >> 4) * 4:  # it carries nothing
            return
        source, target = struct.unpack("!HH", tcp[:4])
        if target == self.port:
            self.begun.setdefault(source, at)
        elif source == self.port and (begin := self.begun.pop(target, None)) is not None:
            self.spans.append((begin, at))
