"""An Envoy that has outlived whoever started it, taken over: found by its admin socket, watched by its pidfd."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import struct
from pathlib import Path

from knet.envoy import process_admin
from knet.envoy.bootstrap import Unix

_CREDENTIALS = struct.Struct("3i")


class Adopted:
    """A process that is not our child, with the little of `asyncio.subprocess.Process` that is needed of one.

    How it ended nobody tells us: `returncode` is 0 then.
    """

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError if there is none."""
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._handle, self._end)

    async def wait(self) -> int:
        await self._ended.wait()
        return 0

    def kill(self) -> None:
        """Ends it at once. Raises ProcessLookupError if it has ended."""
        if self.returncode is None:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            if select.select([self._handle], [], [], 0)[0]:
                self._end()

    def _end(self) -> None:
        if self.returncode is None:
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self.returncode = 0
            self._ended.set()


async def adopt(directory: Path, admin: Unix, configuration: str) -> Adopted | None:
    """The Envoy that serves at an admin socket with this very configuration; one with another is ended first."""
    try:
        await process_admin.request(admin, "/ready")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(admin.path))
            found = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        other = Adopted(_CREDENTIALS.unpack(found)[0])
        same = (directory / "bootstrap.json").read_text() == configuration
    except OSError:  # nobody listens: the usual case
        return None
    if same:
        return other
    other.kill()
    await other.wait()
    return None
