"""Addresses of Services for the pods of an embedded cluster, as kube-proxy has them: tests bring it along.

They are of the node's own network, so that clusters beside one another keep apart, and lead to the host; there a
socket for each port of a Service passes connections on to its Ready pods, as kube-proxy itself did at first. One that
stands stays with its pod until one of both ends it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from knet.kube.informer import Informer

Key = tuple[str, str]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[], Awaitable[Streams]]
API = ("default", "kubernetes")
"""Not led to pods."""
_CHUNK = 65536


async def network(host: str) -> Iterator[ipaddress.IPv4Address]:
    """Addresses that lead to the host, at the end of the node's own network, for as long as the node runs: its own
    interface is the first of those with the host's address.
    """
    whole = ipaddress.IPv4Network((host, 20), strict=False)
    last = list(whole.subnets(new_prefix=24))[-1]
    said = await _ip("-oneline", "-4", "address", "show", "to", f"{host}/32")
    device = re.findall(r"^\d+: (\S+)", said, re.MULTILINE)
    await _ip("route", "add", "local", str(last), "dev", device[0])
    return last.hosts()


async def _ip(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "ip", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, (words, said)
    return said.decode()


def ready(endpoints: Any, port: str) -> list[tuple[str, int]]:
    """Where the Ready pods of a Service listen for its port of that name."""
    return [
        (address["ip"], found["port"])
        for subset in (endpoints or {}).get("subsets") or ()
        for found in subset.get("ports") or ()
        if found.get("name", "") == port
        for address in subset.get("addresses") or ()
    ]


class Passage:
    """A server whose connections go on in those that `open_` makes, until one of both ends it."""

    def __init__(self, open_: Open) -> None:
        self._open = open_
        self._server: asyncio.Server | None = None
        self._held: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls)

    def close(self) -> None:
        """Takes no more connections; those that stand stay."""
        assert self._server is not None
        self._server.close()

    async def end(self) -> None:
        """Ends them too."""
        self.close()
        for writer in self._held.values():
            writer.transport.abort()
        await asyncio.gather(*self._held)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._held[task] = writer
        task.add_done_callback(self._held.pop)
        try:
            with suppress(OSError):  # whoever breaks one connection has broken the other one by that
                onward, back = await self._open()
                try:
                    await _first_to_end(_passed(reader, back), _passed(onward, writer))
                finally:
                    back.close()
        finally:
            writer.close()


async def _first_to_end(*passing: Coroutine[Any, Any, None]) -> None:
    """What one side has said last has gone on by then. Raises what ended it."""
    tasks = [asyncio.create_task(each) for each in passing]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


class Services:
    """Follows Services and listens for them; `run` until cancelled."""

    def __init__(self, services: Informer, endpoints: Informer) -> None:
        self._services, self._endpoints = services, endpoints
        self._changed = asyncio.Event()
        self._listening: dict[tuple[str, int], Passage] = {}
        self._left: list[Passage] = []
        self._turn = itertools.count()
        services.on_change(lambda *_: self._changed.set())

    async def run(self) -> None:
        try:
            while True:
                self._changed.clear()
                await self._settle()
                await self._changed.wait()
        finally:
            for passage in (*self._left, *self._listening.values()):
                await passage.end()

    async def _settle(self) -> None:
        wanted = {
            (service["spec"]["clusterIP"], port["port"]): (key, port.get("name", ""))
            for key, service in self._services.store.items()
            if key != API and service["spec"].get("clusterIP", "None") != "None"
            for port in service["spec"].get("ports") or ()
        }
        for place in self._listening.keys() - wanted.keys():
            passage = self._listening.pop(place)
            passage.close()
            self._left.append(passage)
        for place in wanted.keys() - self._listening.keys():
            passage = Passage(partial(self._pod, *wanted[place]))
            await passage.start(*place)
            self._listening[place] = passage

    async def _pod(self, key: Key, port: str) -> Streams:
        there = ready(self._endpoints.store.get(key), port)
        if not there:
            raise ConnectionRefusedError(f"{key} has no Ready pod")
        return await asyncio.open_connection(*there[next(self._turn) % len(there)])
