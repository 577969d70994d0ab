"""Runs Envoy: starts it, starts it again when it dies, drains it before it stops."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from knet import checks
from knet.envoy import process_admin
from knet.envoy.bootstrap import Address, Tcp, Unix
from knet.envoy.process_adopt import Adopted, adopt
from knet.errors import Diagnostic

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(
    None, use_errno=True
)  # loaded here: between fork and exec a lock of the loader may be held
_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 0.1, 10.0, 30.0
_POLL = 0.02
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Options:
    """How Envoy is run. `concurrency` 0 is one worker for each core; `log` None is our own stderr.

    `config_log_level` stays at error because a refused RouteConfiguration makes Envoy warn once for
    each of the 10,000 others (facts/envoy-xds.md, section 4). `die_with_parent` is off for gateways
    that have to outlive their control plane; `adopt`: one that did is taken over if its configuration is the same
    and its admin interface a socket. `environment` adds to ours. `flush_ms`: how old what it writes to files may
    get (0: its own ten seconds).
    """

    concurrency: int = 0
    log_level: str = "warning"
    config_log_level: str = "error"
    log: Path | None = None
    drain_seconds: int = 5
    die_with_parent: bool = True
    adopt: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    flush_ms: int = 0

    def arguments(self) -> list[str]:
        """The flags. A base id of its own lets several Envoys share a machine."""
        flags = [
            "--use-dynamic-base-id",
            "--disable-hot-restart",
            *("--log-level", self.log_level),
            *("--component-log-level", f"config:{self.config_log_level}"),
            *("--drain-time-s", str(self.drain_seconds)),
            *("--drain-strategy", "immediate"),
            *(("--file-flush-interval-msec", str(self.flush_ms)) if self.flush_ms else ()),
        ]
        return [*flags, "--concurrency", str(self.concurrency)] if self.concurrency else flags


class Configuration(Protocol):
    """What Envoy is started with: `Bootstrap`, or one without a control plane."""

    @property
    def admin(self) -> Address:
        """Where its admin interface is to be."""

    def text(self) -> str:
        """The bootstrap as JSON."""


class Envoy:
    """One Envoy process and its successors. `directory` holds its bootstrap and admin address.

    `problem` says why it does not run, while it does not; `on_exit` hears of every unexpected end.
    """

    def __init__(
        self,
        binary: Path,
        bootstrap: Configuration,
        directory: Path,
        options: Options | None = None,
        on_exit: Callable[[Diagnostic], None] | None = None,
    ) -> None:
        self._binary = binary
        self._bootstrap = bootstrap
        self._directory = directory
        self._options = options or Options()
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | Adopted | None = None
        self._watch: asyncio.Task[None] | None = None
        self.problem: Diagnostic | None = None
        self.restarts = 0
        self.adopted = False

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts it and keeps it running until `stop`. Raises OSError if it cannot be executed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        text, admin = self._bootstrap.text(), self._bootstrap.admin
        if self._options.adopt and isinstance(admin, Unix):
            self._process = await adopt(self._directory, admin, text)
            self.adopted = self._process is not None
        if not self.adopted:
            (self._directory / "bootstrap.json").write_text(text)
            await self._spawn()
        self._watch = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Lets requests finish for at most `drain_seconds`, then ends it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            await self.admin("/drain_listeners?graceful", "POST")
            await self._quiet()
            await self.admin("/quitquitquit", "POST")
            await asyncio.wait_for(process.wait(), 5)
        except (OSError, TimeoutError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def admin(self, path: str, method: str = "GET") -> str:
        """What the admin interface answers. Raises OSError while there is none."""
        _, text = await process_admin.request(self.admin_address(), path, method)
        return text

    def admin_address(self) -> Address:
        """Where the admin interface is. Raises OSError before Envoy has said which port it took."""
        wanted = self._bootstrap.admin
        if isinstance(wanted, Unix) or wanted.port:
            return wanted
        host, _, port = self._admin_file.read_text().rpartition(":")
        if not port:
            raise FileNotFoundError(f"{self._admin_file} is being written")
        return replace(wanted, port=int(port)) if host else Tcp(wanted.host, int(port))

    async def ready(self, within: float = 30.0) -> None:
        """Waits until it serves. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not await self._is_ready():  # noqa: ASYNC110 - Envoy tells nobody when it is: one has to ask
                await asyncio.sleep(_POLL)
        self.problem = None

    async def _is_ready(self) -> bool:
        try:
            status, _ = await process_admin.request(self.admin_address(), "/ready")
        except OSError:
            return False
        return status == 200

    async def _quiet(self) -> None:
        """Waits until no request is under way, or the time to drain is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain_seconds):
                while _active(await self.admin("/stats?filter=downstream_rq_active$")):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL)

    @property
    def _admin_file(self) -> Path:
        return self._directory / "admin.address"

    async def _spawn(self) -> None:
        self._admin_file.unlink(missing_ok=True)
        before_exec = partial(_end_with, os.getpid()) if self._options.die_with_parent else None
        with self._log() as log:
            self._process = await asyncio.create_subprocess_exec(
                self._binary,
                *("--config-path", self._directory / "bootstrap.json"),
                *("--admin-address-path", self._admin_file),
                *self._options.arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._options.environment},
                start_new_session=True,  # Ctrl-C is for us: we drain it first
                preexec_fn=before_exec,
            )

    @contextlib.contextmanager
    def _log(self) -> Iterator[IO[bytes] | None]:
        if self._options.log is None:
            yield None
            return
        with self._options.log.open("ab") as log:
            yield log

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            started = loop.time()
            code = await self._process.wait() if self._process else 0
            self.problem = self._ended(code)
            if self._on_exit is not None:
                self._on_exit(self.problem)
            pause = _FIRST_PAUSE if loop.time() - started > _HEALTHY_AFTER else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            self.restarts += 1
            await self._spawn()

    def _ended(self, code: int) -> Diagnostic:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        return checks.ENVOY_FAILED(
            f"{self._binary} {how}{self._last_words()}", hint="it is started again, with growing pauses"
        )

    def _last_words(self) -> str:
        log = self._options.log
        if log is None or not log.exists():
            return ""
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LAST_WORDS))
            lines = file.read().decode(errors="replace").splitlines()
        said = [line for line in lines if "[critical]" in line or "[error]" in line]
        return f": {said[-1]}" if said else ""


def _active(stats: str) -> int:
    """Requests under way by the stats text, without those of the admin interface itself."""
    return sum(
        int(value)
        for name, _, value in (line.rpartition(": ") for line in stats.splitlines())
        if name and not name.startswith("http.admin.")
    )


def _end_with(parent: int) -> None:
    """In the child: the kernel ends it when we end, however that happens (Linux only)."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel was told
            os._exit(1)
