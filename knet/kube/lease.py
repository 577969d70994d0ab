"""Who may write: election by a Lease, as client-go does it (kubernetes.io: Leases; coordination.k8s.io/v1).

Clocks of other machines are not trusted: a lease has run out when it has not changed for its duration by our own
clock. `kubernetes.aio.leaderelection` is not used: it ends the process when it loses, and keeps the record of an
annotation rather than a Lease's own fields.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from knet.kube.client import Client, Object
from knet.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from knet.kube.resources import LEASES

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds: how long a lease holds, until when it has to be renewed, and the pause between tries."""

    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A lease as it was when it last changed, and when that was by our own clock."""

    version: str
    since: float


def may_take(lease: Object, seen: Seen, identity: str, now: float, duration: float) -> bool:
    """Whether we may write ourselves into a lease: it is ours, nobody's, or has run out."""
    holder = (lease.get("spec") or {}).get("holderIdentity") or ""
    held = (lease.get("spec") or {}).get("leaseDurationSeconds") or duration
    return holder in ("", identity) or now - seen.since > held


def taken(lease: Object | None, identity: str, at: datetime, duration: float) -> dict[str, Any]:
    """The spec with which `identity` holds the lease from now on."""
    before = (lease or {}).get("spec") or {}
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    renewed = before.get("holderIdentity") == identity
    turns = before.get("leaseTransitions") or 0
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": max(int(duration), 1),
        "acquireTime": before.get("acquireTime", stamp) if renewed else stamp,
        "renewTime": stamp,
        "leaseTransitions": turns if renewed or lease is None else turns + 1,
    }


class Election:
    """Takes part in one election. Belongs to one event loop."""

    def __init__(
        self, client: Client, name: str, namespace: str, identity: str, terms: Terms | None = None
    ) -> None:
        """`identity` tells this process from all others that take part."""
        self._client = client
        self._name = name
        self._namespace = namespace
        self.identity = identity
        self._terms = terms or Terms()
        self._seen = Seen("", 0.0)
        self.leads = asyncio.Event()
        """Set while this process may write."""

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` whenever this process leads, until cancelled or `work` ends. Gives the lease back at the end.

        `work` is cancelled when the lease is lost, before anybody else can have it.
        """
        while True:
            while not await self._try():  # noqa: ASYNC110 - nobody tells when a lease runs out
                await asyncio.sleep(self._terms.retry)
            _log.info("%s leads %s/%s", self.identity, self._namespace, self._name)
            self.leads.set()
            task = asyncio.ensure_future(work())
            try:
                lost = await self._hold(task)
            finally:
                self.leads.clear()
                await _ended(task)
                await self._release()
            if not lost:
                task.result()
                return
            _log.warning("%s has lost %s/%s", self.identity, self._namespace, self._name)

    async def _hold(self, task: asyncio.Future[None]) -> bool:
        """Renews for as long as the work lasts; whether the lease was lost."""
        loop = asyncio.get_running_loop()
        good = loop.time()
        while True:
            done, _ = await asyncio.wait({task}, timeout=self._terms.retry)
            if done:
                return False
            if await self._try():
                good = loop.time()
            elif loop.time() - good > self._terms.renew:
                return True

    async def _try(self) -> bool:
        """One attempt to take or renew the lease. Faults of the API count as no."""
        try:
            return await self._attempt()
        except (Conflict, AlreadyExists):
            return False  # somebody was quicker
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("lease %s/%s: %s", self._namespace, self._name, error)
            return False

    async def _attempt(self) -> bool:
        now, at = asyncio.get_running_loop().time(), datetime.now(UTC)
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            meta = {"name": self._name, "namespace": self._namespace}
            spec = taken(None, self.identity, at, self._terms.duration)
            await self._client.create(LEASES, {"metadata": meta, "spec": spec})
            return True
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen.version:
            self._seen = Seen(version, now)
        if not may_take(lease, self._seen, self.identity, now, self._terms.duration):
            return False
        spec = taken(lease, self.identity, at, self._terms.duration)
        await self._client.replace(LEASES, {**lease, "spec": spec})
        return True

    async def _release(self) -> None:
        """Lets the next one in at once."""
        with contextlib.suppress(ApiError, aiohttp.ClientError, OSError, TimeoutError):
            lease = await self._client.get(LEASES, self._name, self._namespace)
            if lease["spec"].get("holderIdentity") == self.identity:
                await self._client.replace(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": ""}})


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
