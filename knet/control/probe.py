"""One probe through the data path says whether a host is served at the published version.

The request is Knative's (facts/translation.md 2.12), and so is the judgement (facts/knative.md B.2):
200 with the right hash is ready, 404 and 503 ask for patience, all else an application said. What
an application answered carries Envoy's upstream time; that tells its 404 from the gateway's. A gRPC server
resets a plain GET: Envoy's 503 then says that the remote did, so the path to it is there.

A name that has several addresses (a headless Service) stands for as many gateways: each of them has to serve it.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from knet.model.kingress import HASH_HEADER

_TIMEOUT = 1.0
_FIRST_PAUSE, _SOON, _LONGEST_PAUSE = 0.02, 0.4, 2.0
"""Pauses between probes, in seconds: the first, that after which others have their turn, and the longest of a few."""
_ANSWERED_BY_UPSTREAM = "x-envoy-upstream-service-time"
_RESET_BY_UPSTREAM = b"reset reason: remote reset"
_MOST = 4096
_RATE = 500
"""How many probes a second those that wait make together, once they have been told to be patient."""


class Verdict(enum.Enum):
    """What one answer says."""

    READY = "ready"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the gateways listen, and the host, path and hash to ask it for; `https` with the host as server name."""

    address: tuple[str, int]
    host: str
    hash: str
    path: str = "/healthz"
    https: bool = False


def request(target: Target) -> bytes:
    """The bytes of the probe."""
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.host}",
        "User-Agent: Knative-Ingress-Probe",
        "K-Network-Probe: probe",
        f"{HASH_HEADER}: override",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def judge(answer: bytes, wanted: str) -> Verdict:
    """What an answer, or as much as came of it, says. A hash of another version asks for patience too."""
    first, _, body = answer.partition(b"\r\n\r\n")
    head = first.decode("latin-1").split("\r\n")
    words = head[0].split()
    if len(words) < 2 or not words[1].isdigit():
        return Verdict.LATER
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    said = headers.get(HASH_HEADER.lower())
    if said is not None:
        return Verdict.READY if said == wanted else Verdict.LATER
    by_gateway = _ANSWERED_BY_UPSTREAM not in headers and _RESET_BY_UPSTREAM not in body
    return Verdict.LATER if words[1] in ("404", "503") and by_gateway else Verdict.READY


class Prober:
    """Asks for many, so many at a time. Who is not answered for soon gives way to others, and asks now and then: hosts
    that are never served keep nobody waiting. Belongs to one event loop.
    """

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def confirm(self, target: Target) -> None:
        """Returns when the host is served; ends by cancellation only."""
        if not await self.soon(target):
            await self.later(target)

    async def soon(self, target: Target) -> bool:
        """Whether the host is served at the first few probes."""
        async with self._slots:
            pause = _FIRST_PAUSE
            while await _ask(target) is not Verdict.READY:
                if pause > _SOON:
                    return False
                await asyncio.sleep(pause)
                pause *= 2
            return True

    async def later(self, target: Target) -> None:
        """Returns when the host is served. Asks with growing pauses, which are longer the more there are that wait."""
        self._waiting += 1
        try:
            pause = _SOON
            while True:
                await asyncio.sleep(pause)
                async with self._slots:
                    if await _ask(target) is Verdict.READY:
                        return
                pause = min(pause * 2, max(_LONGEST_PAUSE, self._waiting / _RATE))
        finally:
            self._waiting -= 1


async def _ask(target: Target) -> Verdict:
    host, port = target.address
    try:
        known = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return Verdict.LATER
    places = sorted({place[:2] for *_, place in known})
    verdicts = await asyncio.gather(*(_ask_one(target, place) for place in places))
    return Verdict.READY if all(verdict is Verdict.READY for verdict in verdicts) else Verdict.LATER


async def _ask_one(target: Target, place: tuple[Any, ...]) -> Verdict:
    try:
        async with asyncio.timeout(_TIMEOUT):
            secured: dict[str, Any] = (
                {"ssl": _unverified(), "server_hostname": target.host} if target.https else {}
            )
            reader, writer = await asyncio.open_connection(*place, **secured)
            try:
                writer.write(request(target))
                head = await reader.readuntil(b"\r\n\r\n")
                # only a 503 needs its body: an application may take its time with one
                body = await reader.read(_MOST) if b" 503 " in head[:16] else b""
                return judge(head + body, target.hash)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Verdict.LATER


def _unverified() -> ssl.SSLContext:
    """Whether the certificate is a good one is not asked: only whether this gateway serves the host."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
