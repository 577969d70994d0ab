"""Serving's controllers as a process whose connection to the API is bad: `controllers.py KUBECONFIG SEED RATE`.

RATE of its requests fail: refused before they arrive, answered with 500 or 409, carried out though no answer comes, and
watches end in the middle. It is killed from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from knet.control.serving.controllers import Serving
from knet.control.serving.revisions import Unresolved
from knet.kube.client import Client
from knet.kube.connection import Connection, from_kubeconfig
from knet.kube.errors import ApiError, Conflict


class Faulty(Client):
    """A client of a bad network and a bad day of the server."""

    def __init__(self, connection: Connection, seed: int, rate: float) -> None:
        super().__init__(connection)
        self._random = random.Random(seed)
        self._rate = rate

    def _fails(self) -> bool:
        return self._random.random() < self._rate

    @contextlib.asynccontextmanager
    async def _send(self, method: str, path: str, *given: Any, **options: Any) -> AsyncIterator[Any]:
        if self._fails():
            raise self._random.choice(
                (
                    aiohttp.ClientConnectionError("refused"),
                    ApiError(500, "InternalError", "etcdserver: leader changed"),
                    Conflict(409, "Conflict", "the object has been modified"),
                )
            )
        async with super()._send(method, path, *given, **options) as answer:
            if method != "GET" and self._fails():
                await answer.read()
                raise aiohttp.ClientConnectionError("the answer was lost")
            yield answer

    async def watch(self, *given: Any, **options: Any) -> AsyncIterator[Any]:
        async with contextlib.aclosing(super().watch(*given, **options)) as events:
            async for event in events:
                yield event
                if self._fails():
                    return


async def main(kubeconfig: Path, seed: int, rate: float) -> None:
    async with Faulty(await from_kubeconfig(kubeconfig), seed, rate) as client:
        await Serving(client, resolver=Unresolved()).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
