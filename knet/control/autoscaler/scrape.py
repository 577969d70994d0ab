"""Asks queue-proxies what they have to do: one kept connection to each pod, one short question a second."""

from __future__ import annotations

import asyncio
import bisect
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from knet.kube.sync import Key
from knet.scaling.sampling import averaged, order, sample_size
from knet.scaling.stat import Stat, decode

_log = logging.getLogger(__name__)

Address = tuple[str, int]

_TIMEOUT_S = 3.0
_FORGET_S = 30.0
_LONGEST = 1 << 16
_FAULTS = (OSError, TimeoutError, ValueError)


class _Line(asyncio.Protocol):
    """One connection; one question at a time."""

    def __init__(self, address: Address) -> None:
        self._transport: asyncio.Transport | None = None
        self._got = bytearray()
        self._waiting: asyncio.Future[bytes] | None = None
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self._request = (
            f"GET /metrics HTTP/1.1\r\nHost: {host}:{address[1]}\r\nAccept: application/protobuf\r\n"
            "User-Agent: Knative-Autoscaler\r\n\r\n"
        ).encode()

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def idle(self) -> bool:
        return self._waiting is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's classes

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(exc or ConnectionResetError("the pod has closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        try:
            body = read_answer(bytes(self._got))
        except ValueError as error:
            self.close()
            self._end(error)
            return
        if body is not None:
            self._got.clear()
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(body)

    def _end(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    async def ask(self) -> bytes:
        if self._transport is None:
            raise ConnectionResetError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def read_answer(data: bytes) -> bytes | None:
    """The body of an answer; None while it is not whole. Raises ValueError for one that is no report."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > _LONGEST:
            raise ValueError("a head without end")
        return None
    status, *lines = head.decode("latin-1").split("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        raise ValueError(f"it answers {status!r}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not headers.get("content-type", "").startswith("application/protobuf"):
        raise ValueError(f"it answers in {headers.get('content-type', 'no type')!r}")
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > _LONGEST:
        raise ValueError(f"an answer of length {length!r}")
    return body[: int(length)] if len(body) >= int(length) else None


class Histogram:
    """How often something took how long, in seconds."""

    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS) + 1)
        """By bound, the last for what took longer than all."""
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(self.BOUNDS, seconds)] += 1
        self.sum += seconds


@dataclass(frozen=True, slots=True)
class Target:
    """A revision to ask: addresses of its pods, those that run for a whole window and the younger ones."""

    key: Key
    old: Sequence[Address]
    young: Sequence[Address]


class Scraper:
    """Belongs to one event loop. `report` hears of every revision that answered, with its round's second."""

    def __init__(self, report: Callable[[Key, int, Stat], None], chance: random.Random | None = None) -> None:
        self._report = report
        self._lines: dict[Address, _Line] = {}
        self._used: dict[Address, float] = {}
        self._chance = chance or random.Random()  # noqa: S311 - a sample, no secret
        self._asking: dict[Key, asyncio.Task[None]] = {}
        self.failures = 0
        self.durations = Histogram()
        """Seconds that asking a revision takes."""

    def ask(self, target: Target, second: int) -> None:
        """Has one revision asked, unless it is being asked still."""
        if target.key in self._asking:
            return
        task = asyncio.create_task(self._ask(target, second))
        self._asking[target.key] = task
        task.add_done_callback(lambda _: self._asking.pop(target.key, None))

    async def _ask(self, target: Target, second: int) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pods = len(target.old) + len(target.young)
        size = sample_size(pods)
        waiting = iter(order(target.old, target.young, self._chance))
        if size == 1:
            answers = [await self._first(target.key, waiting)]
        else:
            answers = await asyncio.gather(*(self._first(target.key, waiting) for _ in range(size)))
        found = [a for a in answers if a is not None]
        self.durations.add(loop.time() - begun)
        if found:
            self._report(target.key, second, averaged(found, size, pods))

    async def _first(self, key: Key, waiting: Iterable[Address]) -> Stat | None:
        """The answer of the first pod that gives one."""
        for address in waiting:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return decode(await self._one(address))
            except _FAULTS as error:
                self.failures += 1
                self._drop(address)
                _log.info("%s/%s: pod %s:%d: %s", *key, *address, error or type(error).__name__)
        return None

    async def _one(self, address: Address) -> bytes:
        loop = asyncio.get_running_loop()
        line = self._lines.get(address)
        if line is not None and not line.idle:  # two revisions of one address: it is being asked
            raise OSError("it is being asked already")
        if line is None or not line.open:
            _, line = await loop.create_connection(lambda: _Line(address), *address)
            self._lines[address] = line
        self._used[address] = loop.time()
        return await line.ask()

    async def settled(self, patience: float | None = None) -> None:
        """Waits until nobody is being asked, or for so many seconds."""
        while self._asking:
            if not (await asyncio.wait(self._asking.values(), timeout=patience))[0]:
                return

    def sweep(self) -> None:
        """Closes connections that nobody has used for a while."""
        old = asyncio.get_running_loop().time() - _FORGET_S
        for address in [a for a, used in self._used.items() if used < old]:
            self._drop(address)

    def _drop(self, address: Address) -> None:
        self._used.pop(address, None)
        line = self._lines.pop(address, None)
        if line is not None:
            line.close()

    async def close(self) -> None:
        """Ends everything."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for address in list(self._lines):
            self._drop(address)
