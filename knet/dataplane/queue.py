"""The queue-proxy: an Envoy that carries a pod's requests, and this process beside it, which carries none.

It starts Envoy, answers probes with the user's readiness probe, reports to the autoscaler and drains.
Knative's own part of that is in facts/knative.md (A.6); the names of ports, paths and headers are its.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from knet.dataplane import queue_metrics, queue_tls
from knet.dataplane.queue_config import QueueBootstrap
from knet.dataplane.queue_drain import Lull
from knet.dataplane.queue_http import Answer, Connection, Request
from knet.dataplane.queue_probe import ready
from knet.dataplane.queue_settings import CERTIFICATES, Settings, read
from knet.dataplane.queue_spare import OPTIONS, Spare
from knet.dataplane.queue_stats import PREFIX, Count, Sample, sample, stat, text
from knet.envoy.process import Envoy
from knet.envoy.process_find import find_envoy
from knet.errors import Diagnostic, KnetError
from knet.scaling.stat import Stat, encode

if TYPE_CHECKING:
    from knet.dataplane.queue_log import RequestLog

_PERIOD = 1.0
"""Seconds that a report is about, as Knative's."""
_REGRET = 1.0
"""Seconds for the queue-proxy's own SIGTERM to follow `/wait-for-drain` (see `_wait_for_drain`)."""
_LOOK = 0.1
"""Seconds between two looks at what is under way while draining, or at an Envoy that is not there."""
_COUNTERS = f"/stats?filter=^{PREFIX}\\."
_SHUTTING_DOWN = Answer(503, b"shutting down\n")


class QueueProxy:
    """One queue-proxy. `run` ends when it has been told to and has drained."""

    def __init__(self, settings: Settings, binary: Path, directory: Path, spare: Spare | None = None) -> None:
        """`directory` is for its sockets and Envoy's bootstrap; its path has to be short (108 bytes).

        `spare` is an Envoy in the same directory that runs already.
        """
        settings = _with_a_template(settings)
        self._settings = settings
        self._bootstrap = QueueBootstrap(settings, directory)
        self._spare = spare
        if spare is None:
            self._envoy = Envoy(binary, self._bootstrap, directory, OPTIONS, self._envoy_ended)
        else:
            self._envoy, spare.on_exit = spare.envoy, self._envoy_ended
        self._served = False
        self._unready = ""
        self._failed: Diagnostic | None = None
        self._began = time.monotonic()
        self._report = Stat(settings.pod)
        self._ending = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._drain: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """SIGTERM: drains, then ends."""
        self._ending.set()

    async def run(self) -> None:
        """Serves until `stop`, and then until the pod has drained.

        Raises OSError if a port of ours is taken, KnetError if Envoy ends before it has served.
        """
        if self._settings.certificate:
            queue_tls.write(self._bootstrap.directory, self._settings.certificate)
        log = self._request_log()
        if self._spare is None:
            await self._envoy.start()
        try:
            await self._listen()
            if self._spare is not None:
                self._spare.give(self._settings)
            async with asyncio.TaskGroup() as tasks:
                reporting = tasks.create_task(self._report_on())
                await self._ending.wait()
                if self._failed is None:
                    await self._drained()
                reporting.cancel()
            if self._failed is not None:
                raise KnetError(self._failed)
        finally:
            for server in self._servers:
                server.close()
            await self._envoy.stop()
            if log is not None:
                log.close()

    def _request_log(self) -> RequestLog | None:
        """Opened, if there is one."""
        if not self._settings.request_log:
            return None
        from knet.dataplane.queue_log import RequestLog

        made = RequestLog(self._settings, self._bootstrap.log)
        made.open()
        return made

    def _envoy_ended(self, problem: Diagnostic) -> None:
        """An Envoy that has served is started again; one that cannot start ends the container."""
        if self._served:
            print(problem, file=sys.stderr)  # noqa: T201 - a container's log
        else:
            self._failed = problem
            self._ending.set()

    async def _listen(self) -> None:
        wanted, loop = self._settings, asyncio.get_running_loop()

        self._servers = [
            await loop.create_unix_server(partial(Connection, self._probe), self._bootstrap.agent),
            await loop.create_server(partial(Connection, self._admin), wanted.address, wanted.admin_port),
            await loop.create_server(partial(Connection, self._metrics), wanted.address, wanted.metrics_port),
            await loop.create_server(
                partial(Connection, self._user_metrics), wanted.address, wanted.user_metrics_port
            ),
        ]

    async def _probe(self, request: Request) -> Answer:
        """A probe, as Knative's drainer answers it."""
        kind = request.headers.get("k-network-probe", "")
        if self._drain is not None:
            return _SHUTTING_DOWN
        if kind == "probe":
            return _hash(request)
        if kind != "queue":
            return Answer(400, f"unexpected probe header value: {kind}\n".encode())
        why = await ready(self._settings.probes, self._bootstrap.bridge)
        if why and why != self._unready:  # kubelet's events do not say why
            print(f"readiness probe: {why}", file=sys.stderr)  # noqa: T201 - a container's log
        self._unready = why
        return Answer(503, f"{why}\n".encode()) if why else Answer(200, b"queue")

    async def _admin(self, request: Request) -> Answer:
        if request.path == "/wait-for-drain":
            return await self._wait_for_drain()
        if "k-network-probe" in request.headers:
            return await self._probe(request)
        return Answer(404, b"not found\n")

    async def _metrics(self, request: Request) -> Answer:
        if request.path != "/metrics":
            return Answer(404, b"not found\n")
        if "text/plain" in request.headers.get("accept", ""):
            wanted = self._settings
            said = text(self._report, wanted.namespace, wanted.configuration, wanted.revision)
            return Answer(200, said.encode(), "text/plain; version=0.0.4")
        return Answer(200, encode(self._report), "application/protobuf")

    async def _user_metrics(self, request: Request) -> Answer:
        if request.path != "/metrics":
            return Answer(404, b"not found\n")
        try:
            counted = await self._envoy.admin(queue_metrics.QUERY)
        except OSError as error:
            return Answer(503, f"Envoy does not answer: {error}\n".encode())
        said = queue_metrics.text(counted, self._settings)
        return Answer(200, said.encode(), "text/plain; version=0.0.4")

    async def _wait_for_drain(self) -> Answer:
        """The preStop hook of the user's container: answered when it may be ended.

        If our own SIGTERM does not follow, the pod stays and only that container is restarted, by its
        liveness probe: then there is nothing to wait for (Knative's rule, and its second).
        """
        drain = self._drained()
        try:
            async with asyncio.timeout(_REGRET):
                await self._ending.wait()
        except TimeoutError:
            drain.cancel()
            self._drain = None
            await self._envoy.admin("/healthcheck/ok", "POST")
            return Answer()
        await asyncio.shield(drain)
        return Answer()

    def _drained(self) -> asyncio.Task[None]:
        """Draining, begun or under way: probes fail, answers close their connections, requests are served."""
        if self._drain is None:
            self._drain = asyncio.create_task(self._until_quiet())
        return self._drain

    async def _until_quiet(self) -> None:
        lull: Lull | None = None
        while True:
            try:
                if lull is None:
                    await self._envoy.admin("/healthcheck/fail", "POST")
                count = (await self._sample()).all
            except OSError:  # it has ended, and with it what was under way
                count = Count()
            now = time.monotonic()
            lull = Lull(count.came, now) if lull is None else lull.seen(count, now)
            if lull.over(count, now, self._settings.quiet):
                return
            await asyncio.sleep(_LOOK)

    async def _report_on(self) -> None:
        """Makes a report of every second; looks more often for an Envoy that is on its way."""
        loop = asyncio.get_running_loop()
        before: Sample | None = None
        due = loop.time()
        while True:
            try:
                after = await self._sample()
                if before is not None:
                    made = self._stat(before, after) or self._stat(before, after := await self._sample())
                    self._report = made or self._report
                before = after
            except OSError:  # Envoy is being started
                before = None
            due = max(due + (_PERIOD if before is not None else _LOOK), loop.time())
            await asyncio.sleep(due - loop.time())

    def _stat(self, before: Sample, after: Sample) -> Stat | None:
        return stat(before, after, self._settings.pod, time.monotonic() - self._began)

    async def _sample(self) -> Sample:
        start = time.time_ns()
        text = await self._envoy.admin(_COUNTERS)
        self._served = True
        return sample(text, (start + time.time_ns()) // 2000)


def _with_a_template(settings: Settings) -> Settings:
    """Without a request log whose template is none: a pod serves all the same, as Knative's do."""
    if not settings.request_log:
        return settings
    from knet.text.gotemplate import TemplateError, compile_template

    try:
        compile_template(settings.request_log)
    except TemplateError as error:
        print(f"there is no request log: its template: {error}", file=sys.stderr)  # noqa: T201 - a container's log
        return replace(settings, request_log="")
    return settings


def _hash(request: Request) -> Answer:
    """The probe of an ingress: its hash goes back."""
    sent = request.headers.get("k-network-hash", "")
    if not sent:
        return Answer(400, b'a probe request must contain a non-empty "K-Network-Hash" header\n')
    return Answer(200, headers={"K-Network-Hash": sent})


def run(environment: Mapping[str, str]) -> None:
    """Runs a queue-proxy for an environment until SIGTERM or SIGINT and the drain that follows.

    Raises KnetError for a wrong environment or no Envoy, OSError for a port that is taken.
    """
    settings = read(environment, certificate=certificate())
    binary = find_envoy(environment)
    directory = directory_of_ours()
    try:
        asyncio.run(_serve(QueueProxy(settings, binary, directory)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _serve(proxy: QueueProxy) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, proxy.stop)
    await proxy.run()


def certificate() -> str:
    """Where Knative mounts the certificate of `system-internal-tls`, if it does."""
    return CERTIFICATES if Path(CERTIFICATES, "tls.crt").exists() else ""


def directory_of_ours() -> Path:
    """A directory of our own: in the current one (relative, as sockets have short paths), or in memory
    where the file system is read-only, as Knative has it. Raises OSError.
    """
    name = f".queue-proxy-{os.getpid()}"
    for base in (Path(), Path("/dev/shm")):  # noqa: S108 - created with mode 700, never reused
        try:
            (base / name).mkdir(mode=0o700)
        except (PermissionError, FileNotFoundError):
            continue
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
        else:
            return base / name
    raise PermissionError("neither the current directory nor /dev/shm can be written to")


def main() -> None:
    """`python -m knet.dataplane.queue`: what `knet queue-proxy` does, without the time that a CLI takes."""
    try:
        run(os.environ)
    except (KnetError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a container's log
        sys.exit(2)


if __name__ == "__main__":
    main()
