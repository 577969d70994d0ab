"""Statistics of knet's own gateway: every Envoy of it is asked over its admin interface, and the counts added.

Being asked has Envoy put together the histograms of its workers, afterwards: latencies are those until the reading
before. Both sides lag alike, and their test counts what is in the histograms alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

from knet.control.canary.statistics import StatisticsError
from knet.envoy import process_admin
from knet.envoy.bootstrap import Address, Tcp
from knet.envoy.requests import parse, path
from knet.rollout.counts import Counts, total

Addresses = Callable[[], Awaitable[Sequence[Address]]]
_PATIENCE_S = 5.0


def resolved(host: str, port: int) -> Addresses:
    """All addresses that a name has at the moment: a headless Service has one for each gateway."""

    async def found() -> Sequence[Address]:
        try:
            known = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise StatisticsError(f"{host} is not known: {error.strerror}") from error
        return [Tcp(str(place[0]), port) for *_, place in sorted(known, key=lambda k: k[4])]

    return found


class GatewayStatistics:
    """`addresses` gives where the admin interfaces are now."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def read(self, namespace: str, revisions: Sequence[str]) -> Mapping[str, Counts]:
        """All of them have to answer: a part of the truth would look like counters that began anew."""
        places = await self._addresses()
        if not places:
            raise StatisticsError("no gateway is there to ask how requests fare")
        asked = (self._ask(place, namespace, revisions) for place in places)
        parts = await asyncio.gather(*asked)
        return {name: total(p[name] for p in parts if name in p) for name in revisions}

    async def _ask(self, place: Address, namespace: str, revisions: Sequence[str]) -> Mapping[str, Counts]:
        try:
            wanted = path(namespace, revisions)
            status, text = await asyncio.wait_for(process_admin.request(place, wanted), _PATIENCE_S)
            if status != 200:
                raise StatisticsError(f"the gateway at {place} answered {status}")
            return parse(text, namespace)
        except (OSError, TimeoutError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise StatisticsError(f"the gateway does not tell how requests fare: {said}") from error
