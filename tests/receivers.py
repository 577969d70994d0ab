"""Receivers of webhooks, for tests: real HTTP servers that answer as they are told and keep what they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

HANGS = 0
"""A status that is never answered."""


@dataclass
class Receiver:
    """`answers` are the statuses of the first requests; the last one is that of all others."""

    answers: Sequence[int] = (200,)
    text: str = ""
    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def handle(self, request: web.Request) -> web.Response:
        if request.path != "/hook":
            self.elsewhere.append(request.path)
            return web.Response()
        self.got.append(await request.json())
        self.heads.append(dict(request.headers))
        self._came.set()
        status = self.answers[min(len(self.got), len(self.answers)) - 1]
        if status == HANGS:
            await asyncio.Event().wait()
        headers = {"location": "/elsewhere"} if status // 100 == 3 else {}
        return web.Response(status=status, text=self.text, headers=headers)

    async def until(self, test: Any, patience: float = 30.0) -> dict[str, Any]:
        """The first message that passes a test."""
        async with asyncio.timeout(patience):
            while True:
                self._came.clear()
                for message in self.got:
                    if test(message):
                        return message
                await self._came.wait()


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    """The port of loopback where an application answers."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def receiver(*answers: int, text: str = "") -> AsyncIterator[Receiver]:
    """One on a port of its own."""
    made = Receiver(answers or (200,), text)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    async with served(app) as made.port:
        yield made
