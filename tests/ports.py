"""Ports for what tests run, where no connection gets one.

A port that the kernel gave and took back is given to the next connection that anybody makes: of thousands of tests some
found theirs taken. So these are above (or below) the kernel's own, a span for each of pytest's workers, in turn.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"


def _spans() -> range:
    """Those of this process."""
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:  # not Linux
        low, high = 49152, 65535
    every = range(high + 1, 65536) if high < 64000 else range(10000, low)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    each = len(every) // workers
    return every[own * each : (own + 1) * each]


def _turns() -> Iterator[int]:
    mine = _spans()
    at = random.randrange(len(mine))  # another run may be under way
    while True:
        at = (at + 1) % len(mine)
        yield mine[at]


_NEXT = _turns()


def free_ports(count: int) -> list[int]:
    """TCP ports of loopback that nobody listens on now, all different."""
    found: list[int] = []
    for _ in range(65536):
        if len(found) == count:
            return found
        port = next(_NEXT)
        with socket.socket() as held:
            try:
                held.bind((LOOPBACK, port))
            except OSError:
                continue
        found.append(port)
    raise AssertionError(f"there are not {count} ports to be had")
