"""The gateway of an embedded cluster: one Envoy on this machine's ports, and how the cluster knows it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from knet import checks
from knet.backends.kourier.settings import Ports, Settings
from knet.control.ingress import IngressController
from knet.envoy.bootstrap import Address, Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.status import label
from knet.errors import Diagnostic, KnetError
from knet.local.api.kinds import Object
from knet.routing.table import Visibility

NAMESPACE = "kourier-system"
LOOPBACK = "127.0.0.1"
PATIENCE_S = 30.0


def check(ports: Ports, api: int) -> None:
    """Raises KnetError (KNET354) with all ports that cannot be had: Envoy itself would say so much later."""
    wanted = {"http": ports.external_http, "https": ports.external_https, "internal": ports.internal_http}
    named = Counter(port for port in (api, *wanted.values()) if port)
    if twice := [port for port, count in named.items() if count > 1]:
        words = f"several are to listen on port {', '.join(map(str, twice))}"
        raise KnetError(
            checks.CANNOT_LISTEN(words, hint="--api, --http, --https and --internal have to differ")
        )
    found = [refused(name, port) for name, port in wanted.items() if port]
    if problems := [one for one in found if one]:
        raise KnetError(*problems)


def refused(name: str, port: int) -> Diagnostic | None:
    """What is wrong with a port that the option `name` chose, if anything."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what others closed does not count
        try:
            held.bind((LOOPBACK, port))
        except OSError as error:
            return cannot_listen(name, port, error)
    return None


def cannot_listen(name: str, port: int, error: OSError) -> Diagnostic:
    """The finding for a port that the option `name` chose."""
    words = f"{LOOPBACK}:{port}: {error.strerror}"
    return checks.CANNOT_LISTEN(words, hint=f"end what listens there, or knet up --{name} PORT")


def services(ports: Ports) -> list[Object]:
    """The Services by which the gateway is known: their node ports are where it listens."""
    outer = [_port("http2", 80, ports.external_http), _port("https", 443, ports.external_https)]
    inner = {"name": "http2", "port": 80, "targetPort": ports.internal_http, "protocol": "TCP"}
    return [
        _service("kourier", {"type": "NodePort", "ports": [p for p in outer if p["targetPort"]]}),
        _service("kourier-internal", {"type": "ClusterIP", "ports": [inner]}),
    ]


def _port(name: str, port: int, target: int) -> Object:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP", "nodePort": target}


def _service(name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def tuned(settings: Settings, ports: Ports, host_ip: str) -> Settings:
    """The operator's settings on this machine's ports; pods reach the inner gateway at the host's address."""
    return replace(settings, addresses=tuple(dict.fromkeys((LOOPBACK, host_ip))), ports=ports)


def probed(ports: Ports) -> dict[Visibility, tuple[str, int]]:
    """Where probes go, by visibility."""
    return {
        Visibility.EXTERNAL: (LOOPBACK, ports.external_http),
        Visibility.INTERNAL: (LOOPBACK, ports.internal_http),
    }


@contextlib.asynccontextmanager
async def envoy(
    folder: Path,
    environment: Mapping[str, str],
    xds: int,
    options: Options,
    problem: Callable[[Diagnostic], None],
) -> AsyncIterator[asyncio.Future[Diagnostic]]:
    """Keeps an Envoy running that asks at the port `xds`; gives what hears of its first unexpected end.

    `problem` hears of all of them. Raises KnetError if there is no Envoy, or it cannot be executed.
    """
    died: asyncio.Future[Diagnostic] = asyncio.get_running_loop().create_future()

    def ended(found: Diagnostic) -> None:
        problem(found)
        if not died.done():
            died.set_result(found)

    binary = find_envoy(environment)
    bootstrap = Bootstrap("knet-up", Tcp(LOOPBACK, xds), admin(folder))
    run = Envoy(binary, bootstrap, folder, options, ended)
    try:
        await run.start()
    except OSError as error:
        raise KnetError(checks.ENVOY_FAILED(f"{binary}: {error.strerror}")) from error
    try:
        yield died
    finally:
        await run.stop()


def admin(folder: Path) -> Unix:
    """Where Envoy's admin interface is."""
    return Unix(folder / "admin.sock")


def admins(folder: Path) -> Callable[[], Awaitable[Sequence[Address]]]:
    """Where the admin interfaces of all Envoys of the gateway are: it has one."""

    async def found() -> Sequence[Address]:
        return (admin(folder),)

    return found


async def serving(ingresses: IngressController, died: asyncio.Future[Diagnostic], log: Path) -> None:
    """Waits until Envoy listens. Raises KnetError if it ends first, refuses a listener, or takes too long."""
    listening = asyncio.create_task(ingresses.listening())
    try:
        waited: tuple[asyncio.Future[Any], ...] = (listening, died)
        await asyncio.wait(waited, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if died.done():
            raise KnetError(replace(died.result(), hint=f"see {log}"))
        if not listening.done():
            words = f"Envoy does not listen after {PATIENCE_S:.0f} s"
            raise KnetError(checks.ENVOY_FAILED(words, hint=f"see {log}"))
        if refusals := listening.result().refusals:
            words = "; ".join(f"{label(ref)}: {refusal.message}" for (_, ref), refusal in refusals.items())
            raise KnetError(checks.CANNOT_LISTEN(words, hint="choose other ports: knet up --help"))
    finally:
        listening.cancel()
