"""A queue-proxy that was forked, and waits with an Envoy of its own until it hears for whom it is.

The embedded cluster has some of them ready (`knet/local/pods/queues.py`); a container runs `queue.run`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import orjson

from knet.dataplane.queue import QueueProxy, certificate, directory_of_ours
from knet.dataplane.queue_settings import read
from knet.dataplane.queue_spare import Spare
from knet.errors import KnetError


def main(control: socket.socket, binary: Path) -> int:
    """Waits for an environment (a JSON object, then the end of the stream) on `control`, then serves it until
    SIGTERM. Its exit status; 0 if nobody wanted it.
    """
    directory = directory_of_ours()
    try:
        return asyncio.run(_run(control, binary, directory))
    except (KnetError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a container's log
        return 2
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _run(control: socket.socket, binary: Path, directory: Path) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    spare = Spare(binary, directory)
    await spare.start()
    try:
        told = asyncio.create_task(_heard(control))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait((told, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not told.done() or not (text := told.result()):
            told.cancel()
            return 0
        os.environ.clear()
        os.environ.update(orjson.loads(text))
        proxy = QueueProxy(read(os.environ, certificate=certificate()), binary, directory, spare)
        stopped.add_done_callback(lambda _: proxy.stop())
        await proxy.run()
    finally:
        await spare.stop()
    return 0


async def _heard(control: socket.socket) -> bytes:
    control.setblocking(False)
    loop, parts = asyncio.get_running_loop(), []
    while data := await loop.sock_recv(control, 65536):
        parts.append(data)
    return b"".join(parts)
