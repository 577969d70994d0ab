"""Load on an installed gateway as a load balancer passes it on: to the Ready pods of a Service, in turn.

It hears of changes a second late, as most do. Requests that an address has when it leaves are finished.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import aiohttp

from bare import Bare
from bench.steady import Load
from cluster_services import Key, ready
from knet.kube import resources

LATE_S = 1.0
Place = tuple[str, int]


class Balancer:
    """Where the pods behind a port of a Service are, `LATE_S` ago."""

    def __init__(self, cluster: Bare, service: Key, port: str) -> None:
        self._service, self._port = service, port
        self._known = ready(cluster.store(resources.ENDPOINTS).get(service), port)
        self._turn = itertools.count()
        self.seen: set[Place] = set(self._known)
        cluster.on(resources.ENDPOINTS, self._changed)

    def place(self) -> Place:
        """Where the next request goes."""
        assert self._known, f"nothing stands behind {self._service}"
        return self._known[next(self._turn) % len(self._known)]

    def _changed(self, key: Key, _old: object, new: object) -> None:
        if key == self._service:
            asyncio.get_running_loop().call_later(LATE_S, self._know, ready(new, self._port))

    def _know(self, found: list[Place]) -> None:
        self._known = found
        self.seen |= set(found)


@dataclass
class Balanced(Load):
    """Load on one host. `balancer` says where each request goes."""

    balancer: Balancer = field(kw_only=True)

    async def one(self, session: aiohttp.ClientSession) -> str:
        self.address, self.port = self.balancer.place()
        return await super().one(session)


def load(balancer: Balancer, host: str) -> Balanced:
    return Balanced(0, host, balancer=balancer)
