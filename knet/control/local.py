"""`knet gateway run`: files in, a live Envoy on localhost out, and a socket that says how it is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from knet import checks
from knet.backends.api import Readiness
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports, Settings
from knet.control.follow import Reader, Reading, edits
from knet.control.gateway import Gateway
from knet.control.plane import Plane
from knet.control.status_socket import answer
from knet.envoy.bootstrap import Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.server import Server, Tls
from knet.errors import Diagnostic, KnetError
from knet.files import locate
from knet.routing.table import Key, Visibility


@dataclass(frozen=True, slots=True)
class Run:
    """What to run. `envoy` None: gateways connect by themselves to `xds`.

    `state` is the directory of the status socket, the bootstrap and the admin socket. A port that is 0
    leaves that listener out.
    """

    inputs: Sequence[str]
    state: Path
    envoy: Path | None
    address: str = "127.0.0.1"
    http: int = 8080
    https: int = 8443
    internal: int = 8081
    xds: str = "127.0.0.1:0"
    tls: Tls | None = None
    watch: bool = True
    assume_backends: bool = False
    options: Options = Options()  # noqa: RUF009 - frozen

    def tune(self, settings: Settings) -> Settings:
        """The operator's settings with the ports of this machine."""
        ports = Ports(self.http, self.internal, self.https, 0, 0, 0)
        return replace(settings, addresses=(self.address,), ports=ports)

    def probed(self) -> dict[Visibility, tuple[str, int]]:
        """Where probes go, by visibility."""
        ports = {Visibility.EXTERNAL: self.http, Visibility.INTERNAL: self.internal}
        return {visibility: (self.address, port) for visibility, port in ports.items() if port}


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears what happens: findings (each time all of them), and every new state of a KIngress."""

    findings: Callable[[Iterable[Diagnostic]], None]
    readiness: Callable[[Key, Readiness], None]
    started: Callable[[Mapping[str, Any]], None]


async def run(wanted: Run, voice: Voice) -> None:
    """Serves until SIGINT or SIGTERM. Raises KnetError if it cannot start."""
    await Local(wanted, voice).run()


class Local:
    """One run."""

    def __init__(self, wanted: Run, voice: Voice) -> None:
        self._wanted = wanted
        self._voice = voice
        self._reader = Reader(wanted.inputs, backend.ingress_class, wanted.assume_backends)
        self._gateway = Gateway(
            Plane(backend, wanted.tune), Server(), wanted.probed(), on_readiness=voice.readiness
        )
        self._envoy: Envoy | None = None
        self._reading: Reading | None = None
        self._findings: tuple[Diagnostic, ...] = ()

    async def run(self) -> None:
        reading = self._reader.read(jobs=None)  # before there are threads: it may fork
        async with AsyncExitStack() as stack:
            port = await self._gateway.server.start(self._wanted.xds, self._wanted.tls)
            stack.push_async_callback(self._gateway.close)
            if self._wanted.envoy is not None:  # it comes up while the first snapshot is made
                self._envoy = await self._start_envoy(self._wanted.envoy, port)
                stack.push_async_callback(self._envoy.stop)
            self._serve(reading)
            stack.callback(await answer(self._wanted.state, self.status))
            self._voice.started({"xds": port, "http": self._wanted.http, "https": self._wanted.https})
            following = asyncio.create_task(self._follow()) if self._wanted.watch else None
            await _until_told()
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _start_envoy(self, binary: Path, port: int) -> Envoy:
        state = self._wanted.state
        admin = Unix(state / "admin.sock")
        envoy = Envoy(
            binary,
            Bootstrap(f"knet-{os.getpid()}", Tcp("127.0.0.1", port), admin),
            state,
            self._wanted.options,
            on_exit=lambda problem: self._voice.findings((problem,)),
        )
        try:
            await envoy.start()
        except OSError as error:
            raise KnetError(checks.ENVOY_FAILED(f"{binary}: {error}")) from error
        return envoy

    async def _follow(self) -> None:
        async for _ in edits(self._wanted.inputs):
            try:
                reading = await asyncio.to_thread(self._reader.read)
            except KnetError as error:  # an input is gone: what was served goes on
                self._tell(error.diagnostics)
                continue
            self._serve(reading)

    def _serve(self, reading: Reading) -> None:
        _, found = self._gateway.apply(reading.composed.world)
        self._reading = reading
        placed = locate(found, reading.loaded, reading.composed.parents)
        self._tell((*reading.diagnostics, *placed))

    def _tell(self, findings: tuple[Diagnostic, ...]) -> None:
        if findings != self._findings:
            self._findings = findings
            self._voice.findings(findings)

    def status(self) -> dict[str, Any]:
        """What `knet gateway status` shows."""
        made = self._gateway.status()
        reading = self._reading
        for line in made["ingresses"]:
            line["source"] = _source(reading, (line["namespace"], line["name"])) if reading else ""
        made["findings"] = [str(finding) for finding in self._findings]
        made["stale"] = list(reading.stale) if reading else []
        problem = self._envoy.problem if self._envoy else None
        made["envoy"] = {
            "pid": self._envoy.pid if self._envoy else None,
            "restarts": self._envoy.restarts if self._envoy else 0,
            "problem": str(problem) if problem else "",
        }
        return made


def _source(reading: Reading, key: Key) -> str:
    composed = reading.composed
    ingress = composed.world.ingresses.get(key)
    if ingress is None:
        return ""
    ref = composed.parents.get(ingress.ref, ingress.ref)
    place = reading.loaded.sources.get(ref)
    return f"{place.file}:{place.line}" if place else ""


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
