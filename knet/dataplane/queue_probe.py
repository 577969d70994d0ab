"""The user's readiness probes, which the queue-proxy runs when it is asked (facts/serving.md, 47).

Knative moves the probe of the serving container into the queue-proxy, so that the pod is ready when both
are. Without `periodSeconds` it is Knative's own: it is repeated until it passes or whoever asks loses
patience, so that a cold start does not wait for the next period.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

_PATIENCE = 10.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_SHARE = 50
"""A repeated probe comes again after this part of the time that it has lasted: the request that waits for it hears
within a millisecond from a program that starts at once, and fifty that start slowly have the processor for themselves.
"""
_ATTEMPT = 0.1
"""Seconds for one attempt of a probe that is repeated; Knative's too."""
_LINE = 8192
_ADDRESS = re.compile(r"[\d.]+|[\da-fA-F:]+")
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
"""A gRPC message: HealthCheckResponse with `status: SERVING`."""
_AGENT = "kube-probe/1.31"


class BadProbe(ValueError):
    """A probe cannot be read; the message continues "SERVING_READINESS_PROBE ..."."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe. `kind` is http, https, tcp or grpc; `repeated`: until it passes (no `periodSeconds`); `http2`: one of
    http passes by h2c too (config-features' autodetect-http2).
    """

    kind: str
    port: int
    host: str = "127.0.0.1"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    service: str = ""
    timeout: float = 1.0
    successes: int = 1
    repeated: bool = False
    http2: bool = False

    @property
    def bridged(self) -> bool:
        """Whether it goes, or may go, by way of Envoy, which speaks h2c."""
        return self.kind == "grpc" or self.http2


def decode(text: str, ports: Mapping[int, int], *, http2: bool = False) -> tuple[Probe, ...]:
    """The probes of a JSON object, or of a list (multi-container-probing). `ports` maps to real ports; `http2`: see
    `Probe`. Raises BadProbe.
    """
    if not text:
        return ()
    try:
        data = orjson.loads(text)
    except ValueError as error:
        raise BadProbe(f"is no JSON: {error}") from None
    listed = data if isinstance(data, list) else [data]
    made = (_probe(one, ports) for one in listed)
    return tuple(replace(probe, http2=http2 and probe.kind == "http") for probe in made)


def _probe(data: Any, ports: Mapping[int, int]) -> Probe:
    if not isinstance(data, dict):
        raise BadProbe("holds no probe: an object is expected")
    known = ("httpGet", "tcpSocket", "grpc")
    how = next((name for name in known if isinstance(data.get(name), dict)), None)
    if how is None:
        raise BadProbe(f"names no handler that is known: {', '.join(known)} are")
    said = data[how]
    try:
        port = int(said["port"])
        return Probe(
            kind={"tcpSocket": "tcp", "grpc": "grpc"}.get(how) or (said.get("scheme") or "HTTP").lower(),
            port=ports.get(port, port),
            host=said.get("host") or "127.0.0.1",
            path="/" + (said.get("path") or "/").removeprefix("/"),
            headers=tuple((str(h["name"]), str(h["value"])) for h in said.get("httpHeaders") or ()),
            service=_short(said.get("service") or ""),
            timeout=float(data.get("timeoutSeconds") or 1),
            successes=int(data.get("successThreshold") or 1),
            repeated=not data.get("periodSeconds"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadProbe(f"has a {how} that cannot be read: {error!r}") from None


def _short(service: str) -> str:
    if len(service.encode()) > 127:
        raise ValueError("its service is longer than 127 bytes")
    return service


async def ready(probes: tuple[Probe, ...], bridge: Path) -> str:
    """Runs all probes; why one has failed, or nothing. Cancelled when whoever asked has gone.

    `bridge` is the socket at which Envoy takes as HTTP/1.1 what the port in `Host` hears as h2c, gRPC or not.
    """
    failures = await asyncio.gather(*(_run(probe, bridge) for probe in probes))
    return "; ".join(why for why in failures if why)


async def _run(probe: Probe, bridge: Path) -> str:
    if not probe.repeated:
        return await attempt(probe, probe.timeout, bridge)
    loop = asyncio.get_running_loop()
    began, row = loop.time(), 0
    until = began + _PATIENCE
    while True:
        why = await _try(probe, bridge)
        row = 0 if why else row + 1
        if row >= probe.successes:
            return ""
        now = loop.time()
        if now >= until:
            return why
        await asyncio.sleep(min(max((now - began) / _SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE))


async def _try(probe: Probe, bridge: Path) -> str:
    """One attempt, which begins with a connection as cheap as may be: mostly that is refused, as nobody listens yet."""
    if probe.kind == "grpc" or not _ADDRESS.fullmatch(probe.host):
        return await attempt(probe, _ATTEMPT, bridge)
    family = socket.AF_INET6 if ":" in probe.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as line:
        try:
            async with asyncio.timeout(_ATTEMPT):
                await asyncio.get_running_loop().sock_connect(line, (probe.host, probe.port))
        except TimeoutError:
            return _late(probe, _ATTEMPT)
        except OSError as error:
            return str(error)
        return "" if probe.kind == "tcp" else await attempt(probe, _ATTEMPT, bridge, line.dup())


def _late(probe: Probe, seconds: float) -> str:
    return f"no answer from {probe.host}:{probe.port} within {seconds:g}s"


async def attempt(probe: Probe, seconds: float, bridge: Path, held: socket.socket | None = None) -> str:
    """One attempt within `seconds`; why it failed, or nothing. `held` is a connection that there is already."""
    try:
        async with asyncio.timeout(seconds):
            if probe.kind == "grpc":
                return await _grpc(probe, bridge)
            if probe.kind == "tcp":
                return await _tcp(probe)
            return await (_either(probe, bridge, held) if probe.http2 else _http(probe, held))
    except TimeoutError:
        return _late(probe, seconds)
    except (OSError, ValueError) as error:
        return str(error)


async def _tcp(probe: Probe) -> str:
    _, writer = await asyncio.open_connection(probe.host, probe.port)
    writer.close()
    return ""


async def _http(probe: Probe, held: socket.socket | None) -> str:
    """A GET; every status from 200 to 399 is fine, as kubelet has it."""
    where: dict[str, Any] = {"host": probe.host, "port": probe.port} if held is None else {"sock": held}
    if (secure := _tls(probe)) is not None:
        where |= {"ssl": secure, "server_hostname": probe.host}
    headers = {"Host": f"{probe.host}:{probe.port}", "User-Agent": _AGENT, "Accept": "*/*"} | dict(
        probe.headers
    )
    status = await _asked(await asyncio.open_connection(**where, limit=_LINE), probe.path, headers)
    if not status:
        return f"{probe.host}:{probe.port} does not answer in HTTP/1.1"
    return "" if 200 <= status < 400 else f"HTTP probe failed with status {status}"


async def _either(probe: Probe, bridge: Path, held: socket.socket | None) -> str:
    """By HTTP/1.1 and by h2c at once: who speaks one of them may never answer in the other."""
    tries = [asyncio.create_task(_http(probe, held)), asyncio.create_task(_h2c(probe, bridge))]
    why = ""
    try:
        for answer in asyncio.as_completed(tries):
            try:
                why = await answer
            except OSError as error:
                why = str(error)
            if not why:
                break
    finally:
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
    return why


async def _h2c(probe: Probe, bridge: Path) -> str:
    headers = {"User-Agent": _AGENT, "Accept": "*/*"} | dict(probe.headers) | {"Host": str(probe.port)}
    status = await _asked(await asyncio.open_unix_connection(bridge, limit=_LINE), probe.path, headers)
    return "" if 200 <= status < 400 else f"HTTP probe failed with status {status} (h2c)"


async def _asked(
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, headers: Mapping[str, str]
) -> int:
    """The status that a GET gets; 0 for none."""
    reader, writer = line
    try:
        head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Connection": "close"}.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        words = (await reader.readline()).split()
    finally:
        writer.close()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return 0
    return int(words[1])


def _tls(probe: Probe) -> Any:
    """A context that trusts every certificate, as kubelet's probes do."""
    if probe.kind != "https":
        return None
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _grpc(probe: Probe, bridge: Path) -> str:
    """grpc.health.v1: request and answer have one field each, so no generated code is needed."""
    service = probe.service.encode()
    message = b"\x0a" + bytes([len(service)]) + service if service else b""
    body = struct.pack(">BI", 0, len(message)) + message
    head = (
        f"POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: {probe.port}\r\nUser-Agent: {_AGENT}\r\n"
        f"Content-Type: application/grpc\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_unix_connection(bridge)
    try:
        writer.write(head.encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    return "" if answer.endswith(_SERVING) else f"gRPC health check of port {probe.port}: not SERVING"
