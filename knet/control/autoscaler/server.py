"""What the autoscaler hears and says: reports over WebSockets, decisions, metrics, health.

A report about a revision that is another replica's is sent on to it, once; where nobody decides for it yet, it is let
go: the next comes within a second. Whoever reports scales: with certificates reports are taken by a listener of their
own alone, which asks for one (`knet.dataplane.peers`); what else is said there is said to anybody.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import ssl
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from knet.dataplane.peers import AUTOSCALER, Peers
from knet.kube.sync import Key
from knet.scaling.stat import Report, decode_reports, encode_reports
from knet.text import json

_log = logging.getLogger(__name__)

Address = tuple[str, int]

_LARGEST = 16 << 20
_PATIENCE_S = 2.0
FORWARDED = "/forwarded"
_ASKED_ON = "x-knet-asked-on"
SCALE = "/scale/{namespace}/{name}"


class Server:
    """Belongs to one event loop. `holder` says where another replica decides for a revision (empty: here, or nobody
    does); `hear` takes what is for us; `explain` gives what holds for a revision, or None; `metrics` the text.
    """

    def __init__(
        self,
        holder: Callable[[Key], str],
        hear: Callable[[Iterable[Report]], None],
        explain: Callable[[Key], Any],
        metrics: Callable[[], str],
        peers: Peers | None = None,
    ) -> None:
        self._holder = holder
        self._hear = hear
        self._explain = explain
        self._metrics = metrics
        self._peers = peers or Peers()
        self._sockets: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()
        self._others: dict[str, asyncio.Task[aiohttp.ClientWebSocketResponse | None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._runners: list[web.AppRunner] = []
        self.counts: collections.Counter[str] = collections.Counter()

    async def start(self, listen: Address, reports: Address) -> tuple[int, int]:
        """Listens; the port, and that for reports, which is another where there are certificates. Raises OSError."""
        self._session = aiohttp.ClientSession()
        tls = self._peers.server()
        port = await self._listen(listen, None, reports=tls is None)
        return port, port if tls is None else await self._listen(reports, tls, reports=True)

    async def _listen(self, at: Address, tls: ssl.SSLContext | None, *, reports: bool) -> int:
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._say_metrics),
                web.get("/healthz", self._say_health),
                web.get(SCALE, self._say_scale),
                *([web.get("/{anything:.*}", self._take)] if reports else ()),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, *at, reuse_address=True, ssl_context=tls).start()
        found: int = runner.addresses[0][1]
        return found

    async def stop(self) -> None:
        """Ends all connections: activators look for another replica, or for us again."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.SERVICE_RESTART)
        for task in self._others.values():
            task.cancel()
        await asyncio.gather(*self._others.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        for runner in self._runners:
            await runner.cleanup()

    @property
    def connections(self) -> int:
        return len(self._sockets)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() != "websocket":
            return web.Response(status=404, text="reports come over a WebSocket\n")
        shown = request.transport.get_extra_info("peercert") if request.transport else None
        if not self._peers.admits(shown, request.headers):
            self.counts["strangers"] += 1
            return web.Response(status=401, text="whoever reports scales: this is for activators\n")
        socket = web.WebSocketResponse(max_msg_size=_LARGEST, heartbeat=30)
        await socket.prepare(request)
        self._sockets.add(socket)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await self._frame(message.data, forwarded=request.path == FORWARDED)
            else:
                self.counts["refused"] += 1
        return socket

    async def _frame(self, data: bytes, *, forwarded: bool) -> None:
        try:
            reports = decode_reports(data)
        except ValueError as error:
            self.counts["refused"] += 1
            _log.warning("a frame that is no report: %s", error)
            return
        self.counts["received"] += len(reports)
        elsewhere: dict[str, list[Report]] = {}
        mine: list[Report] = []
        for report in reports:
            where = "" if forwarded else self._holder((report.namespace, report.revision))
            (elsewhere.setdefault(where, []) if where else mine).append(report)
        if mine:
            self._hear(mine)
        for where, found in elsewhere.items():
            await self._send_on(where, found)

    async def _send_on(self, where: str, reports: list[Report]) -> None:
        """Sends reports to another replica; what does not get there is let go and counted."""
        task = self._others.get(where)
        if task is None:
            task = self._others[where] = asyncio.create_task(self._connect(where))
        socket = await asyncio.shield(task)
        try:
            if socket is None:
                raise ConnectionResetError("it cannot be reached")
            await socket.send_bytes(encode_reports(reports))
            self.counts["forwarded"] += len(reports)
        except (OSError, aiohttp.ClientError) as error:
            self.counts["lost"] += len(reports)
            self._others.pop(where, None)
            _log.info("reports for %s: %s", where, error)

    async def _connect(self, where: str) -> aiohttp.ClientWebSocketResponse | None:
        assert self._session is not None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                made = f"{'wss' if self._peers.certificates else 'ws'}://{where}{FORWARDED}"
                headers = self._peers.headers()
                socket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(
                    made, autoclose=True, headers=headers, **self._secure()
                )
                return socket
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            _log.info("autoscaler %s: %s", where, error or type(error).__name__)
            return None

    def _secure(self) -> Any:
        """What a connection to a replica is made with: it is known by its name, wherever it is."""
        if self._peers.certificates is None:
            return {}
        return {"ssl": self._peers.client(), "server_hostname": AUTOSCALER}

    async def _say_scale(self, request: web.Request) -> web.Response:
        """What holds for a revision; what is another replica's is asked of it, for it may not be in reach of all."""
        key = request.match_info["namespace"], request.match_info["name"]
        found = self._explain(key)
        if found is not None:
            return web.Response(body=json.dumps(found), content_type="application/json")
        where = "" if _ASKED_ON in request.headers else self._holder(key)
        if where:
            scheme = "https" if self._peers.certificates else "http"
            return await self._ask_on(f"{scheme}://{where}/scale/{key[0]}/{key[1]}")
        return web.Response(status=404, text=f"no autoscaler decides for {key[0]}/{key[1]}\n")

    async def _ask_on(self, url: str) -> web.Response:
        assert self._session is not None
        patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
        try:
            headers = {_ASKED_ON: "1"}
            async with self._session.get(url, headers=headers, timeout=patience, **self._secure()) as answer:
                kind = answer.content_type
                return web.Response(body=await answer.read(), status=answer.status, content_type=kind)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            return web.Response(status=502, text=f"its autoscaler does not answer: {error}\n")

    async def _say_metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _say_health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")
