"""`knet up` as a process, for tests: started, asked, killed, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.local.pods.node import family
from ports import free_ports

PATIENCE_S = 30.0


class Up:
    """One state directory, its ports, and the process that runs on it now."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.api, self.http, self.https, self.internal = free_ports(4)
        self.process: asyncio.subprocess.Process | None = None
        self.lines: list[str] = []
        self.environment = dict(os.environ)
        self._ready = asyncio.Event()
        self._reading: asyncio.Task[None]

    @property
    def screen(self) -> str:
        """What it has printed."""
        return "".join(self.lines)

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    def command(self, name: str, *arguments: str) -> list[str]:
        if name == "canary":  # a group: the option belongs to its commands
            return [
                sys.executable,
                "-m",
                "knet",
                name,
                arguments[0],
                "--state",
                str(self.state),
                *arguments[1:],
            ]
        return [sys.executable, "-m", "knet", name, "--state", str(self.state), *arguments]

    def ports(self) -> list[str]:
        named = {"api": self.api, "http": self.http, "https": self.https, "internal": self.internal}
        return [f"--{name}={port}" for name, port in named.items()]

    async def start(self, patience: float = PATIENCE_S) -> None:
        """Runs it until its screen says that the cluster is ready."""
        await self.launch()
        ready = asyncio.create_task(self._ready.wait())
        both = [self._reading, ready]
        await asyncio.wait(both, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self.is_ready:
            raise AssertionError(f"not ready: {self.screen}")

    async def launch(self) -> None:
        """Runs it."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command("up", *self.ports(), "--concurrency=1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=self.environment,
        )
        self.lines, self._ready = [], asyncio.Event()
        self._reading = asyncio.create_task(self._read(self.process.stdout))

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := (await stdout.readline()).decode():
            self.lines.append(line)
            if line.lstrip().startswith("health"):  # the last line of the screen
                self._ready.set()

    @property
    def is_ready(self) -> bool:
        """Whether the screen of the present run has said so."""
        return self._ready.is_set()

    async def end(self, number: signal.Signals) -> int:
        """Sends a signal to the process alone and waits for its end; the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        await asyncio.wait_for(asyncio.gather(self.process.wait(), self._reading), PATIENCE_S)
        status = self.process.returncode
        self.process = None
        assert status is not None
        return status

    def processes(self) -> dict[int, str]:
        """All processes that belong to this cluster, its own one included: pid → command line."""
        return processes(self.state)

    async def run(self, name: str, *arguments: str) -> tuple[int, str, str]:
        """Another command on the same cluster: (status, stdout, stderr without the steps that took over a second)."""
        process = await asyncio.create_subprocess_exec(
            *self.command(name, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        finally:
            if process.returncode is None:
                process.kill()
        told = [line for line in err.decode().splitlines(keepends=True) if not line.endswith(" …\n")]
        return process.returncode, out.decode(), "".join(told)

    async def client(self) -> Client:
        """A client of the API; an async context manager."""
        return Client(await from_kubeconfig(self.kubeconfig))

    def ready(self) -> dict[str, object]:
        made: dict[str, object] = json.loads((self.state / "ready.json").read_text())
        return made


def processes(state: Path) -> dict[int, str]:
    """The processes that name a directory, or its pods' mark, in their arguments, directory or environment."""
    marks = (str(state).encode(), family(state / "pods").encode())
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            about = command + os.fsencode((entry / "cwd").readlink()) + (entry / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if command and any(mark in about for mark in marks):
            found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


@asynccontextmanager
async def running(made: Up) -> AsyncIterator[Up]:
    """One that is up. At the end it is interrupted, if a test has not ended it, and nothing of it may be left."""
    await made.start()
    yield made
    if made.process is not None:
        await made.end(signal.SIGINT)
    assert made.processes() == {}
