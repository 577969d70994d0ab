"""Child processes on the event loop: no thread and no polling for each (pidfd and non-blocking pipes)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

_CHUNK = 65536
_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NET = 0x40000000
_KEPT = 10 * 1024  # of the output of `run`: as much as kubelet keeps of a probe's

Output = Callable[[str, bytes], None]
"""Hears ("stdout" or "stderr", what was written); b"" at the end of the stream."""


class Child(Protocol):
    """What is known of a child to whoever waits for it."""

    @property
    def pid(self) -> int: ...
    def wait(self) -> int: ...


class Process:
    """A child in a session of its own. Made by `spawn`."""

    def __init__(self, child: Child, pipes: Mapping[str, int], output: Output) -> None:
        self._child = child
        self._output = output
        self._pipes = dict(pipes)
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self.pid = child.pid
        self.target = child.pid
        """Who is sent signals: the child, or the one it runs on our behalf (a sandbox's inner process)."""
        for stream, pipe in pipes.items():
            os.set_blocking(pipe, False)
            self._loop.add_reader(pipe, self._read, stream)
        self._watch()

    @property
    def returncode(self) -> int | None:
        """Negative for a signal; None while it runs."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Its return code, once it has ended and everything it wrote has been heard."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone, as kubelet does to a container's first process."""
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.target, number)

    def kill(self) -> None:
        """Ends it and its group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            watched = os.pidfd_open(self.pid)
            self._loop.add_reader(watched, self._reap, watched)
            return
        done = partial(self._loop.call_soon_threadsafe, self._reap, None)
        threading.Thread(target=lambda: (self._child.wait(), done()), daemon=True).start()

    def _reap(self, watched: int | None) -> None:
        if watched is not None:
            self._loop.remove_reader(watched)
            os.close(watched)
        self.kill()  # what it left in its group, as the end of a container's first process ends the rest
        code = self._child.wait()  # the group's number is free only now
        for stream in list(self._pipes):
            while self._read(stream):
                pass
            self._close(stream)
        if not self._ended.done():
            self._ended.set_result(code)

    def _read(self, stream: str) -> bool:
        """Hears what is there; whether there may be more now."""
        pipe = self._pipes.get(stream)
        if pipe is None:
            return False
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._output(stream, data)
            return True
        self._close(stream)
        return False

    def _close(self, stream: str) -> None:
        pipe = self._pipes.pop(stream, None)
        if pipe is not None:
            self._loop.remove_reader(pipe)
            os.close(pipe)
            self._output(stream, b"")


def spawn(
    argv: Sequence[str],
    output: Output,
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: int = subprocess.DEVNULL,
    keep: Sequence[int] = (),
    namespace: str = "",
) -> Process:
    """Starts a program; `keep` are descriptors it inherits, `namespace` is the file of its network namespace (ours if
    it is empty). Raises OSError where it cannot be executed.

    No code of ours runs between fork and exec, so the kernel's vfork serves: about 1 ms.
    """
    pipes = {stream: os.pipe() for stream in ("stdout", "stderr")}
    try:
        with entered(namespace):
            child = subprocess.Popen(  # noqa: S603 - running what a pod says is its purpose
                list(argv),
                stdin=stdin,
                stdout=pipes["stdout"][1],
                stderr=pipes["stderr"][1],
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                pass_fds=tuple(keep),
            )
    except BaseException:
        for read, _ in pipes.values():
            os.close(read)
        raise
    finally:
        for _, write in pipes.values():
            os.close(write)
    return Process(child, {stream: read for stream, (read, _) in pipes.items()}, output)


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """While inside, this thread is in a network namespace, and so is what it starts; other threads are where they were.

    Only for what does not wait. A program of its own for that (nsenter) is executed first, which takes 1 to 2 ms.
    """
    if not namespace:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set_namespace(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _set_namespace(own)
    finally:
        os.close(own)


def _set_namespace(handle: int) -> None:
    if _LIBC.setns(handle, _NEW_NET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


@dataclass(frozen=True, slots=True)
class Result:
    """What a program that was run to its end returned and wrote (both streams, cut)."""

    code: int
    text: str


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    seconds: float,
    text: str = "",
    namespace: str = "",
) -> Result:
    """Runs a program with `text` as input. Raises TimeoutError (and ends it), OSError."""
    said = bytearray()

    def hear(_: str, data: bytes) -> None:
        said.extend(data[: _KEPT - len(said)])

    with _input(text) as stdin:
        process = spawn(argv, hear, env=env, cwd=cwd, stdin=stdin, namespace=namespace)
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Result(code, said.decode(errors="replace"))


@contextlib.contextmanager
def _input(text: str) -> Iterator[int]:
    if not text:
        yield subprocess.DEVNULL
        return
    read, write = os.pipe()
    try:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(text.encode())  # a batch of commands: far less than a pipe holds
        yield read
    finally:
        os.close(read)
