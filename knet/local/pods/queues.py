"""Queue-proxies that start in milliseconds: forked by a zygote, and some of them before their pod is there.

A cold start waits for its queue-proxy, and what that would do first is always the same: Python's imports,
and Envoy's own start. So a zygote forks them (`zygote.py`), and wherever a place for a pod is made ahead, a
queue-proxy with a running Envoy is put into it as soon as the machine has a quiet moment. Where there is
none, or no zygote, a container starts as any other does.
"""

from __future__ import annotations

import array
import asyncio
import collections
import contextlib
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from knet.local.pods import reaper
from knet.local.pods.environment import MARK
from knet.local.pods.images import queue_environment
from knet.local.pods.lull import Lull
from knet.local.pods.network import Place
from knet.local.pods.process import Output, Process, spawn

_SPARES = 2
_PATIENCE = 5.0
_MESSAGE = 65536


@dataclass(slots=True)
class _Child:
    """A process of the zygote's, of whose end the zygote tells."""

    pid: int
    code: int | None = None

    def wait(self) -> int:
        assert self.code is not None  # asked only when it has ended
        return self.code


class Forked(Process):
    """One that has been given its pod."""

    def _watch(self) -> None:
        """The zygote does, for it is the parent."""

    def ended(self) -> None:
        self._reap(None)


@dataclass(slots=True)
class Slot:
    """A queue-proxy that waits for its pod. `start` may be called once."""

    child: _Child
    control: socket.socket
    pipes: dict[str, int]
    directory: Path
    gone: asyncio.Future[None]
    process: Forked | None = None

    @property
    def waits(self) -> bool:
        return self.child.code is None and self.process is None

    def start(self, env: Mapping[str, str], output: Output) -> Process:
        """Gives it its pod's environment, and what it says to `output`."""
        self.process = Forked(self.child, self.pipes, output)
        with contextlib.suppress(OSError):  # it has just ended: `ended` will tell
            self.control.sendall(orjson.dumps({**queue_environment(), **env}))
        self.control.close()
        return self.process

    def over(self) -> None:
        """The process has ended."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.gone.set_result(None)
        if self.process is not None:
            self.process.ended()
            return
        self.control.close()
        for pipe in self.pipes.values():
            os.close(pipe)


class Queues:
    """The zygote of a node and what it has made. `directory` is its own."""

    def __init__(self, environment: Mapping[str, str], mark: str, directory: Path) -> None:
        """`mark` begins the node's mark in environments; nothing runs before the first queue-proxy."""
        self._environment = {**environment, MARK: f"{mark}queues"}
        self._directory = directory
        self._socket: socket.socket | None = None
        self._zygote: Process | None = None
        self._number = 0
        self._asked: dict[int, asyncio.Future[int]] = {}
        self._slots: dict[int, Slot] = {}
        self._spare: dict[str, collections.deque[Slot]] = collections.defaultdict(collections.deque)
        self._ahead: dict[str, Place] = {}
        self.lull = Lull(self._fill)
        self._filling: asyncio.Task[None] | None = None
        self._stopped = False
        self._unheard: list[Path] = []

    def expect(self, place: Place) -> None:
        """A place was made before its pod."""
        self._ahead[place.namespace] = place
        self._later()

    async def take(self, place: Place) -> Slot | None:
        """One in a place: a spare, or one that is forked now; None where that cannot be."""
        self._ahead.pop(place.namespace, None)
        if not place.namespace:
            self._ahead[""] = place
        found = self._waiting(place) or await self._fork(place)
        self._later()
        return found

    def _waiting(self, place: Place) -> Slot | None:
        spare = self._spare[place.namespace]
        while spare:
            if (slot := spare.popleft()).waits:
                return slot
        return None

    def forget(self, place: Place) -> None:
        """A place has a pod without a queue-proxy, or is no more."""
        self._ahead.pop(place.namespace, None)
        if place.namespace:
            for slot in self._spare.pop(place.namespace, ()):
                if slot.waits:
                    slot.control.shutdown(socket.SHUT_WR)  # nobody wants it: it ends

    async def stop(self) -> None:
        """Ends the zygote, and all that wait for a pod. Pods' own have been ended by those who run them."""
        self._stopped = True
        self.lull.end()
        if self._filling is not None:  # the one that is being forked is known when it ends
            await asyncio.wait([self._filling], timeout=_PATIENCE)
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        waiting = [slot for slot in self._slots.values() if slot.waits]
        for slot in waiting:
            slot.control.shutdown(socket.SHUT_WR)
        if waiting:  # of this zygote or of one that was killed
            await asyncio.wait([slot.gone for slot in waiting], timeout=_PATIENCE)
        if self._socket is not None:
            self._lost()
        if self._zygote is not None:
            await self._zygote.wait()
        if self._unheard:  # a zygote may have forked them, and been killed before it said so
            await asyncio.to_thread(reaper.end, self._environment[MARK])
            for directory in self._unheard:
                shutil.rmtree(directory, ignore_errors=True)

    def _later(self) -> None:
        if self._socket is not None:
            self.lull.later()

    def _fill(self) -> None:
        if self._filling is None or self._filling.done():
            self._filling = asyncio.create_task(self._furnish())

    async def _furnish(self) -> None:
        for place in list(self._ahead.values()):
            wanted = 1 if place.namespace else _SPARES
            while len(self._spare[place.namespace]) < wanted and place.namespace in self._ahead:
                slot = await self._fork(place)
                if slot is None:
                    return
                self._spare[place.namespace].append(slot)

    async def _fork(self, place: Place) -> Slot | None:
        if "ENVOY_BIN" not in queue_environment() or sys.platform != "linux" or self._stopped:
            return None
        try:
            asked = self._socket or self._started()
            return await self._asked_for(asked, place)
        except OSError:  # no zygote, or it has just ended: a container starts as others do
            return None

    async def _asked_for(self, asked: socket.socket, place: Place) -> Slot:
        self._number += 1
        number = self._number
        directory = self._directory / secrets.token_hex(4)
        directory.mkdir(parents=True, mode=0o700)
        ours, theirs = socket.socketpair()
        pipes = {stream: os.pipe() for stream in ("stdout", "stderr")}
        fds = [theirs.fileno(), pipes["stdout"][1], pipes["stderr"][1]]
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        namespace = -1
        try:
            if place.namespace:
                namespace = os.open(place.namespace, os.O_RDONLY)
            given = array.array("i", [*fds, *([namespace] if namespace >= 0 else [])])
            envoy = queue_environment()["ENVOY_BIN"]
            text = orjson.dumps({"id": number, "directory": str(directory), "envoy": envoy})
            asked.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
            pid = await answer
        except BaseException:
            ours.close()
            for read, _ in pipes.values():
                os.close(read)
            shutil.rmtree(directory, ignore_errors=True)
            self._unheard.append(directory)
            raise
        finally:
            self._asked.pop(number, None)
            theirs.close()
            for _, write in pipes.values():
                os.close(write)
            if namespace >= 0:
                os.close(namespace)
        read_ends = {stream: read for stream, (read, _) in pipes.items()}
        slot = self._slots[pid] = Slot(
            _Child(pid), ours, read_ends, directory, asyncio.get_running_loop().create_future()
        )
        return slot

    def _started(self) -> socket.socket:
        shutil.rmtree(self._directory, ignore_errors=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = (sys.executable, "-I", "-m", "knet.local.pods.zygote", str(theirs.fileno()))
        with theirs:
            self._zygote = spawn(argv, _said, env=self._environment, keep=(theirs.fileno(),))
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, partial(self._hear, ours))
        self._socket = ours
        return ours

    def _hear(self, ours: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = ours.recv(_MESSAGE)
                except ConnectionResetError:
                    data = b""
                if not data:
                    self._lost()
                    return
                self._told(orjson.loads(data))

    def _told(self, message: dict[str, Any]) -> None:
        if "exit" in message:
            if slot := self._slots.pop(message["exit"], None):
                slot.child.code = message["code"]
                slot.over()
            return
        answer = self._asked.get(message["id"])
        if answer is None or answer.done():
            return
        if "pid" in message:
            answer.set_result(message["pid"])
        else:
            answer.set_exception(OSError(message["error"]))

    def _lost(self) -> None:
        """The zygote has ended, or is to: what it made goes on, and its ends are looked for otherwise."""
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the zygote has ended"))
        for pid in list(self._slots):
            try:
                watched = os.pidfd_open(pid)
            except ProcessLookupError:
                self._told({"exit": pid, "code": -9})
                continue
            loop.add_reader(watched, partial(self._orphan_ended, pid, watched))

    def _orphan_ended(self, pid: int, watched: int) -> None:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
        self._told({"exit": pid, "code": -9})


def _said(_: str, data: bytes) -> None:
    """What the zygote says of itself: a fault of ours, for our own log."""
    if data:
        sys.stderr.write(data.decode(errors="replace"))
