"""An embedded API in a process of its own, for benchmarks: `python -m bench.served FOLDER`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from knet.control.runner import runner
from knet.local.api.server import ApiServer


async def serve(folder: Path) -> None:
    """Runs it for ever; prints a line when it listens."""
    server = ApiServer(folder / "api.db", folder)
    await server.start()
    server.write_kubeconfig(folder / "kubeconfig")
    print("ready", flush=True)
    await asyncio.Event().wait()


async def served(stack: AsyncExitStack, folder: Path) -> int:
    """Starts one that listens, and ends it with the stack; its process id."""
    process = await spawned(stack, "bench.served", str(folder))
    assert process.stdout
    await process.stdout.readline()
    return process.pid


async def spawned(stack: AsyncExitStack, module: str, *arguments: str) -> asyncio.subprocess.Process:
    """A module as a process whose output is read, killed with the stack."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=subprocess.PIPE, limit=2**24
    )
    stack.push_async_callback(process.wait)
    stack.callback(_kill, process)
    return process


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


if __name__ == "__main__":
    with runner() as running:
        running.run(serve(Path(sys.argv[1])))
