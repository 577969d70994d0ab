"""Asks pods whether they take requests, from the moment that they have an address: nobody tells it sooner.

kubelet's word comes with its next probe, the status of the pod, its endpoints and their watch; a queue-proxy answers
this question as soon as its user's container does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

_REQUEST = (
    "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: Knative-Activator-Probe\r\nK-Network-Probe: queue\r\n"
    "Connection: close\r\n\r\n"
)
_FIRST_PAUSE, _GROWTH = 0.002, 1.15
_LONGEST_PAUSE = 0.05
_CONNECT, _ANSWER = 1.0, 15.0
"""Seconds for one attempt; a queue-proxy may think for ten of them (Knative's rule for its default probe)."""


async def until_ready(address: str, listening: Callable[[], None]) -> None:
    """Waits until a pod takes requests. `listening` hears when it first takes a connection."""
    host, _, port = address.rpartition(":")
    pause = _FIRST_PAUSE
    while True:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            if await _attempt(host.strip("[]"), int(port), address, listening):
                return
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


async def _attempt(host: str, port: int, name: str, listening: Callable[[], None]) -> bool:
    async with asyncio.timeout(_CONNECT):
        reader, writer = await asyncio.open_connection(host, port, limit=4096)
    listening()
    try:
        writer.write(_REQUEST.format(name).encode())
        async with asyncio.timeout(_ANSWER):
            line = await reader.readline()
    finally:
        writer.close()
    return line.split()[1:2] == [b"200"]
