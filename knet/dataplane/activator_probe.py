"""Asks pods whether they take requests, from the moment that they have an address: nobody tells it sooner.

kubelet's word comes with its next probe, the status of the pod, its endpoints and their watch; a queue-proxy answers
this question as soon as its user's container does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from knet.dataplane.activator_config import USER_NAMES

_REQUEST = (
    "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: Knative-Activator-Probe\r\nK-Network-Probe: queue\r\n"
    "Connection: close\r\n\r\n"
)
_FIRST_PAUSE, _GROWTH = 0.002, 1.15
_LONGEST_PAUSE = 0.05
_CONNECT, _ANSWER = 1.0, 15.0
"""Seconds for one attempt; a queue-proxy may think for ten of them (Knative's rule for its default probe)."""


async def until_ready(address: str, listening: Callable[[], None], certificates: str = "") -> None:
    """Waits until a pod takes requests. `listening` hears when it first takes a connection; with `certificates` (a
    directory with `ca.crt`) it is asked over TLS, and has to be a pod of the cluster.
    """
    host, _, port = address.rpartition(":")
    pause = _FIRST_PAUSE
    while True:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            if await _attempt(host.strip("[]"), int(port), address, listening, certificates):
                return
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def _trust(certificates: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=f"{certificates}/ca.crt")
    made.check_hostname = False  # pods are known by their namespace, not by where they are
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def _is_pod(writer: asyncio.StreamWriter) -> bool:
    names = (writer.get_extra_info("peercert") or {}).get("subjectAltName", ())
    return any(kind == "DNS" and name.startswith(USER_NAMES) for kind, name in names)


async def _attempt(host: str, port: int, name: str, listening: Callable[[], None], certificates: str) -> bool:
    trust = _trust(certificates) if certificates else None
    async with asyncio.timeout(_CONNECT):
        reader, writer = await asyncio.open_connection(host, port, limit=4096, ssl=trust)
    listening()
    try:
        if trust is not None and not _is_pod(writer):
            return False
        writer.write(_REQUEST.format(name).encode())
        async with asyncio.timeout(_ANSWER):
            line = await reader.readline()
    finally:
        writer.close()
    return line.split()[1:2] == [b"200"]
