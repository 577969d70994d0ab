"""The way to the autoscaler: a WebSocket that is kept open, one binary frame for what is told at one time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import aiohttp

from knet.dataplane.peers import AUTOSCALER, Peers
from knet.scaling.stat import Report, encode_reports

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_HEARTBEAT = 5.0


class Reports:
    """`send` may be called at any time; what nobody hears is dropped, and `again` says it when somebody does."""

    def __init__(self, url: str, again: Callable[[], Sequence[Report]], peers: Peers | None = None) -> None:
        """`again`: what an autoscaler has to hear that knows nothing; `peers`: who we are to it."""
        self._url = url
        self._peers = peers or Peers()
        self._again = again
        self._out: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1000)
        self.connected = False
        self.connections = 0
        self.failures = 0

    def send(self, reports: Sequence[Report]) -> None:
        if self.connected and reports and not self._out.full():
            self._out.put_nowait(encode_reports(reports))

    async def run(self) -> None:
        """Keeps connected until cancelled."""
        pause = _FIRST_PAUSE
        timeout = aiohttp.ClientTimeout(total=None, connect=2)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                try:
                    async with session.ws_connect(
                        self._url,
                        heartbeat=_HEARTBEAT,
                        headers=self._peers.headers(),
                        ssl=self._peers.client() or True,
                        server_hostname=AUTOSCALER if self._peers.certificates else None,
                    ) as socket:
                        pause = _FIRST_PAUSE
                        await self._talk(socket)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self.failures += 1
                    _log.info("%s: %s; trying again in %.2f s", self._url, error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.connected = True
        self.connections += 1
        self.send(self._again())
        sending = asyncio.create_task(self._pass_on(socket))
        try:
            async for message in socket:  # it says nothing; the end of it is what is waited for
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR):
                    return
        finally:
            self.connected = False
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            while not self._out.empty():
                self._out.get_nowait()

    async def _pass_on(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await socket.send_bytes(await self._out.get())
