"""The node: every pod of the API that is ours runs here as processes, and nothing else of ours does."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from knet.kube.client import Client
from knet.kube.informers import Informers
from knet.kube.resources import PODS, SERVICES
from knet.kube.workqueue import WorkQueue
from knet.local.pods import reaper
from knet.local.pods.environment import MARK, PASSED_ON
from knet.local.pods.events import Recorder
from knet.local.pods.handlers import Handlers
from knet.local.pods.images import Images
from knet.local.pods.kit import Kit
from knet.local.pods.launch import Launcher
from knet.local.pods.logs import LogError, Query, read
from knet.local.pods.machine import Backoff
from knet.local.pods.modes import Modes, probe
from knet.local.pods.process import Process, spawn
from knet.local.pods.queues import Queues
from knet.local.pods.spec import Object, containers, grace, stamp
from knet.local.pods.starts import Starts
from knet.local.pods.tokens import Signer
from knet.local.pods.worker import Worker

Key = tuple[str, str]
"""(namespace, name), or ("", uid) for a pod that is gone from the API and still ends here."""


_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


NODE = "knet"
"""The name of the one node of an embedded cluster."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a node runs pods. `host_network` asks for shared ports even where namespaces work."""

    name: str = NODE
    backoff: Backoff = field(default_factory=Backoff)
    host_network: bool = False
    shutdown: float = 5.0
    at_once: int = 16


def end_leftovers(directory: Path) -> int:
    """Ends what is left of earlier nodes of a directory; how many processes that were."""
    return reaper.end(family(directory))


def family(directory: Path) -> str:
    """Begins the mark of every node of a directory, and so of all that any of them has started."""
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12] + "-"


class Node:
    """`start`, then it works by itself until `stop`. `directory` is its own; `images` the file of images."""

    def __init__(
        self,
        client: Client,
        directory: Path,
        images: Path,
        environment: Mapping[str, str],
        options: Options | None = None,
        *,
        shared: Informers | None = None,
    ) -> None:
        """`environment` is that of the machine, of which pods take over the little they need; `shared` are informers
        that somebody runs already.
        """
        self._client = client
        self._directory = directory.resolve()
        self._images = Images(images)
        self._environment = {name: environment[name] for name in PASSED_ON if name in environment}
        self._options = options or Options()
        self.mark = f"{family(self._directory)}{secrets.token_hex(4)}/"
        """Begins what KNET_POD says in processes that are to end with this one, however that happens."""
        self._informers = shared or Informers(client)
        self._alone = shared is None
        self._pods, self._services = self._informers.get(PODS), self._informers.get(SERVICES)
        self._queue: WorkQueue[Key] = WorkQueue("pod")
        self._workers: dict[Key, Worker] = {}
        self._leaving: dict[str, Worker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._handlers = Handlers()
        self._starts = Starts()
        self._reaper: tuple[Process, int] | None = None
        self._modes: Modes | None = None
        self._kit: Kit | None = None
        self._queues: Queues | None = None

    @property
    def modes(self) -> Modes:
        """What this machine offers. There from `start` on."""
        assert self._modes is not None
        return self._modes

    async def start(self) -> None:
        """Ends what an earlier node left, finds out what the machine offers, and takes up the pods."""
        await asyncio.to_thread(end_leftovers, self._directory)
        self._reaper = self._reaper_started()
        own = self._environment | {MARK: self.mark}
        self._modes = await probe(
            own, str(self._directory), self._directory, host_network=self._options.host_network
        )
        self._queues = Queues(self._environment, self.mark, self._directory / "queues")
        self._queues.lull.busy = self._starts.busy
        if self._modes.namespaces:
            self._modes.namespaces.on_ahead = self._queues.expect
            self._modes.namespaces.lull.busy = self._starts.busy
        recorder = Recorder(self._client, self._options.name, time.time)
        self._kit = Kit(
            client=self._client,
            launcher=Launcher(self._client, self._images, self._modes, self._directory, self._queues),
            handlers=self._handlers,
            starts=self._starts,
            recorder=recorder,
            backoff=self._options.backoff,
            clock=time.time,
            node=self._options.name,
            mark=self.mark,
            environment=self._environment,
            capacity=_capacity(),
            services=self._linked,
            token=Signer(self._directory / "tokens.key").token,
        )
        self._pods.on_change(lambda key, _old, _new: self._queue.add(key))
        self._tasks = [asyncio.create_task(recorder.run())]
        if self._alone:
            self._tasks.append(asyncio.create_task(self._informers.run()))
        await self._services.synced()
        await self._pods.synced()
        self._forget_folders()
        self._tasks.append(asyncio.create_task(self._queue.run(self._handle, workers=self._options.at_once)))

    async def stop(self) -> None:
        """Ends all processes, within `shutdown` seconds each; the pods start again with the next node."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        everyone = [*self._workers.values(), *self._leaving.values()]
        limit = self._options.shutdown
        self._starts.end()
        await asyncio.gather(*(w.end(min(grace(w.pod), limit)) for w in everyone))
        if self._queues:
            await self._queues.stop()
        if self._modes and self._modes.namespaces:
            await self._modes.namespaces.stop()
        await self._handlers.close()
        if self._reaper:
            process, pipe = self._reaper
            os.close(pipe)
            await process.wait()

    def log(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """The log of a container. `since` is in seconds since 1970. Raises LogError at once."""
        found: Object | None = self._pods.store.get((namespace, pod))
        if found is None:
            raise LogError(f'pod "{pod}" not found')
        name = _chosen(found, container)
        worker = self._workers.get((namespace, pod))
        run = worker.run(name) if worker and worker.uid == found["metadata"]["uid"] else None
        path = self._log_path(found, name, previous=previous)
        query = Query(follow, tail, since, timestamps)
        return read(path, query, None if previous or run is None else run.log)

    def _log_path(self, pod: Object, name: str, *, previous: bool) -> Path:
        folder = self._directory / pod["metadata"]["uid"] / "logs" / name
        runs: list[tuple[int, Path]] = (
            sorted((int(f.stem), f) for f in folder.glob("*.log")) if folder.is_dir() else []
        )
        where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
        if previous:
            if len(runs) < 2:
                raise LogError(f"previous terminated {where} not found")
            return runs[-2][1]
        if not runs:
            raise LogError(f"{where} is waiting to start")
        return runs[-1][1]

    async def _handle(self, key: Key) -> float | None:
        if not key[0]:
            return await self._see_off(key[1])
        pod: Object | None = self._pods.store.get(key)
        worker = self._workers.get(key)
        if worker is not None and (pod is None or pod["metadata"]["uid"] != worker.uid):
            del self._workers[key]
            self._leaving[worker.uid] = worker
            worker.gone = True
            self._queue.add(("", worker.uid))
            worker = None
        if pod is None or (pod["spec"].get("nodeName") or self._options.name) != self._options.name:
            return None
        if worker is None:
            worker = self._workers[key] = self._new(pod, key)
        return await worker.step(pod)

    def _new(self, pod: Object, key: Key) -> Worker:
        assert self._kit is not None

        def wake() -> None:
            self._queue.add(("", made.uid) if made.gone else key)

        made = Worker(pod, self._kit, wake)
        return made

    async def _see_off(self, uid: str) -> float | None:
        worker = self._leaving.get(uid)
        if worker is None:
            return None
        pause = await worker.step(_deleted(worker.pod))
        if worker.over:
            del self._leaving[uid]
        return pause

    def _linked(self, pod: Object) -> tuple[Object, ...]:
        if pod["spec"].get("enableServiceLinks", True):
            return tuple(self._services.store.values())
        api = self._services.store.get(("default", "kubernetes"))
        return (api,) if api else ()

    def _reaper_started(self) -> tuple[Process, int]:
        read_end, write_end = os.pipe()
        argv = (sys.executable, "-I", "-S", reaper.__file__, self.mark)
        try:
            return spawn(argv, lambda _s, _d: None, env=self._environment, stdin=read_end), write_end
        finally:
            os.close(read_end)

    def _forget_folders(self) -> None:
        """Folders of pods that the API no longer knows."""
        assert self._kit is not None
        known = {pod["metadata"]["uid"] for pod in self._pods.store.values()}
        if self._directory.is_dir():
            for folder in self._directory.iterdir():
                if _UID.fullmatch(folder.name) and folder.name not in known:
                    self._kit.launcher.forget(folder.name)


def _chosen(pod: Object, name: str) -> str:
    names = [c.name for c in containers(pod)]
    where = f"pod {pod['metadata']['name']}"
    if name:
        if name not in names:
            raise LogError(f"container {name} is not valid for {where}")
        return name
    mains = [c["name"] for c in pod["spec"]["containers"]]
    if len(mains) > 1:
        raise LogError(f"a container name must be specified for {where}, choose one of: [{' '.join(names)}]")
    return str(mains[0])


def _deleted(pod: Object) -> Object:
    """A pod as it is when it was deleted without anybody asking first."""
    if pod["metadata"].get("deletionTimestamp"):
        return pod
    return {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": stamp(time.time())}}


def _capacity() -> dict[str, int]:
    return {
        "cpu": os.cpu_count() or 1,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }
