"""Does what probes and hooks ask for: an HTTP request, a connection, a gRPC health check, a command."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from knet.local.pods.process import Result
from knet.local.pods.spec import Container, Object, port_number

_AGENT = "kube-probe/1.31"
_REDIRECTS = 10
_READ = 10 * 1024
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""HealthCheckResponse with `status: SERVING`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a probe passed, and what to say if it did not."""

    passed: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a handler addresses: a container, its pod's address and real ports, how to run in it."""

    of: Container
    host: str
    ports: dict[int, int]
    execute: Callable[[list[str], float], Awaitable[Result]]

    def port(self, port: int | str) -> int:
        """The real port. Raises ValueError for a name that the container does not have."""
        number = port_number(self.of, port)
        return self.ports.get(number, number)


class Handlers:
    """Shares one HTTP client. `probe` never raises for what a pod does; it finds."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._lax = ssl.create_default_context()
        self._lax.check_hostname = False
        self._lax.verify_mode = ssl.CERT_NONE

    async def close(self) -> None:
        """Ends the HTTP client."""
        if self._session is not None:
            await self._session.close()

    async def probe(self, probe: Object, target: Target, seconds: float) -> Finding:
        """One attempt, within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                if "httpGet" in probe:
                    return await self._http(probe["httpGet"], target)
                if "tcpSocket" in probe:
                    return await _tcp(probe["tcpSocket"], target)
                if "grpc" in probe:
                    return await _grpc(probe["grpc"], target)
                if "exec" in probe:
                    return await _execute(probe["exec"], target, seconds)
        except TimeoutError:
            return Finding(False, f"timeout: no answer within {seconds:g}s")
        except (OSError, ValueError, aiohttp.ClientError) as error:
            return Finding(False, str(error) or type(error).__name__)
        return Finding(False, "no handler that is known: httpGet, tcpSocket, grpc and exec are")

    async def hook(self, hook: Object, target: Target, seconds: float) -> str:
        """A preStop or postStart hook, within `seconds`; why it failed, or nothing."""
        if "sleep" in hook:
            await asyncio.sleep(min(float(hook["sleep"]["seconds"]), seconds))
            return ""
        found = await self.probe(hook, target, seconds)
        return "" if found.passed else found.words or "failed"

    async def _http(self, get: Object, target: Target) -> Finding:
        scheme = (get.get("scheme") or "HTTP").lower()
        headers = {"User-Agent": _AGENT, "Accept": "*/*"}
        headers |= {h["name"]: h["value"] for h in get.get("httpHeaders") or ()}
        path = get.get("path") or "/"
        url = (
            f"{scheme}://{get.get('host') or target.host}:{target.port(get['port'])}/{path.removeprefix('/')}"
        )
        for _ in range(_REDIRECTS):
            status, location, body = await self._get(url, headers)
            if not 300 <= status < 400 or not location:
                break
            if urlsplit(location).hostname not in {None, urlsplit(url).hostname}:
                break  # kubelet follows within one host; elsewhere the redirect itself is a success
            url = urljoin(url, location)
        if 200 <= status < 400:
            return Finding(True)
        return Finding(False, f"HTTP probe failed with statuscode: {status}" + (f": {body}" if body else ""))

    async def _get(self, url: str, headers: dict[str, str]) -> tuple[int, str, str]:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=self._lax)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            body = await response.content.read(_READ)
            return response.status, response.headers.get("Location", ""), body[:200].decode(errors="replace")


async def _tcp(socket: Object, target: Target) -> Finding:
    _, writer = await asyncio.open_connection(socket.get("host") or target.host, target.port(socket["port"]))
    writer.close()
    return Finding(True)


async def _execute(command: Object, target: Target, seconds: float) -> Finding:
    done = await target.execute(list(command.get("command") or ()), seconds)
    return Finding(done.code == 0, done.text.strip())


async def _grpc(check: Object, target: Target) -> Finding:
    """grpc.health.v1: the request has one field, the answer too, so no generated code is needed."""
    import grpc.aio

    service = (check.get("service") or "").encode()
    request = b"\x0a" + _varint(len(service)) + service if service else b""
    options = (("grpc.primary_user_agent", _AGENT), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.insecure_channel(f"{target.host}:{target.port(check['port'])}", options) as channel:
        call: Any = channel.unary_unary(_HEALTH, lambda sent: sent, lambda got: got)
        try:
            answer = await call(request)
        except grpc.aio.AioRpcError as error:
            return Finding(False, f"gRPC health check: {error.code().name}: {error.details()}")
    return Finding(True) if answer == _SERVING else Finding(False, "gRPC health check: not SERVING")


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)
