"""A bounded open-loop HTTP/1.1 load: requests start on schedule, whether earlier ones were answered or not.

What is counted is counted from the schedule (no coordinated omission): a gateway that stalls shows it in
the latencies, one that loses a request in `failed`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Result:
    """Answers by status, requests that got none (by reason), and latencies in seconds.

    `resent`: requests that went out on a kept connection just as the server closed it, and went again. `bad_at`: when
    those were due that were not answered with 200 (`time.perf_counter`).
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    resent: int = 0
    bad_at: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.statuses.values()) + sum(self.failed.values())

    @property
    def bad(self) -> int:
        """Requests that were not answered with 200."""
        return self.sent - self.statuses[200]

    def quantile(self, q: float) -> float:
        """A latency quantile in seconds (0 without answers)."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * q), len(ordered) - 1)] if ordered else 0.0

    def __str__(self) -> str:
        failed = ", ".join(f"{n}× {why}" for why, n in self.failed.items())
        statuses = ", ".join(f"{n}× {s}" for s, n in sorted(self.statuses.items()))
        return (
            f"{self.sent} requests: {statuses or 'no answers'}{'; lost: ' + failed if failed else ''}; "
            f"{self.resent} resent; "
            f"p50 {self.quantile(0.5) * 1e3:.1f} ms, p99 {self.quantile(0.99) * 1e3:.1f} ms"
        )


class Load:
    """`rate` requests a second to hosts in turn, until `stop()` or `limit` requests."""

    def __init__(
        self,
        port: int,
        hosts: list[str],
        rate: float,
        limit: int = 1_000_000,
        path: str = "/",
        address: str = "127.0.0.1",
    ) -> None:
        self.address = address
        self.port = port
        self.hosts = hosts
        self.rate = rate
        self.limit = limit
        self.path = path
        self.result = Result()
        self.under_way = 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._stopped = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Sends no more, and waits for the answers to what was sent."""
        self._stopped.set()
        if self._task:
            await self._task
        self._hang_up()

    def _hang_up(self) -> None:
        """Closes what is kept open."""
        while self._idle:
            self._idle.pop()[1].close()

    async def until(self, condition: Callable[[Result], object], within: float = 60) -> None:
        """Waits until the result meets a condition. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition(self.result):
                self._moved.clear()
                await self._moved.wait()

    async def more(self, count: int) -> None:
        """Waits until `count` more requests have been answered."""
        target = len(self.result.latencies) + count
        await self.until(lambda result: len(result.latencies) >= target)

    async def _run(self) -> None:
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for i in range(self.limit):
                due = start + i / self.rate
                while (wait := due - time.perf_counter()) > 0:
                    if await self._stops(wait):
                        return
                if self._stopped.is_set():
                    return
                group.create_task(self._counted(self.hosts[i % len(self.hosts)], due))

    async def _stops(self, within: float) -> bool:
        try:
            await asyncio.wait_for(self._stopped.wait(), within)
        except TimeoutError:
            return False
        return True

    async def _counted(self, host: str, due: float) -> None:
        self.under_way += 1
        if not await self._one(host, due):
            self.result.bad_at.append(due)
        self.under_way -= 1
        self._moved.set()

    async def _one(self, host: str, due: float) -> bool:
        """One request; whether it was answered with 200."""
        fresh = not self._idle
        try:
            reader, writer = (
                await asyncio.open_connection(self.address, self.port) if fresh else self._idle.pop()
            )
        except OSError:
            self.result.failed["connection refused"] += 1
            return False
        try:
            writer.write(f"GET {self.path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            status, length = _parse(head)
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            # a kept connection that the server closed meanwhile is the client's own affair: the request
            # goes again on a new one, as every HTTP client does
            if not fresh:
                self._hang_up()
                self.result.resent += 1
                return await self._one(host, due)
            self.result.failed["connection closed"] += 1
            return False
        except TimeoutError:
            writer.close()
            self.result.failed["no answer in 30 s"] += 1
            return False
        self.result.statuses[status] += 1
        self.result.latencies.append(time.perf_counter() - due)
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self._idle.append((reader, writer))
        return status == 200


def _parse(head: bytes) -> tuple[int, int]:
    """(status, body length) of a response head."""
    lines = head.split(b"\r\n")
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(lines[0].split()[1]), int(value)
    return int(lines[0].split()[1]), 0
