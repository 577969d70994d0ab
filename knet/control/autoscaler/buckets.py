"""Several autoscalers share the revisions: each bucket of them belongs to the holder of a Lease, as in Knative.

A revision's bucket is the same for everybody (`knet.scaling.subset`). The Lease's holder says in its identity where it
listens, `NAME_HOST:PORT`, so that whoever hears of a revision that is another's sends it on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from knet.kube import resources
from knet.kube.client import Client, Object
from knet.kube.informer import Informer
from knet.kube.lease import Election, Terms
from knet.kube.sync import Key
from knet.model.network import SYSTEM_NAMESPACE
from knet.scaling.subset import owner

_log = logging.getLogger(__name__)

_REMEMBERED = 1 << 16


def names(count: int) -> list[str]:
    """The names of so many buckets, and of their Leases."""
    return [f"autoscaler-bucket-{i:02d}-of-{count:02d}" for i in range(count)]


def identity(name: str, host: str, port: int) -> str:
    """How a replica calls itself in Leases."""
    return f"{name}_{host}:{port}"


def address(holder: str) -> str:
    """`HOST:PORT` of a holder; empty if it says none (an autoscaler of upstream says its address alone)."""
    _, found, where = holder.partition("_")
    if not found or not where:
        return ""
    return where if ":" in where else f"{where}:8080"


class Buckets:
    """The buckets, those of this replica among them. Belongs to one event loop."""

    def __init__(self, client: Client, count: int, me: str, terms: Terms | None = None) -> None:
        self.names = names(count)
        self.me = me
        self._client = client
        self._terms = terms
        self._held: set[str] = set()
        self._changed: list[Callable[[], None]] = []
        self._leases = Informer(client, resources.LEASES, namespace=SYSTEM_NAMESPACE, keep=_lean)
        self.bucket = lru_cache(_REMEMBERED)(self._bucket)

    def on_change(self, handler: Callable[[], None]) -> None:
        """Has it told whenever a bucket comes or goes."""
        self._changed.append(handler)

    def _bucket(self, key: Key) -> str:
        return owner(self.names, "/".join(key))

    def owns(self, key: Key) -> bool:
        """Whether a revision is this replica's."""
        return self.bucket(key) in self._held

    def holder(self, key: Key) -> str:
        """Where the autoscaler of a revision listens; empty if it is this one, or nobody is known."""
        lease = self._leases.store.get((SYSTEM_NAMESPACE, self.bucket(key)))
        holder = ((lease or {}).get("spec") or {}).get("holderIdentity") or ""
        return "" if holder == self.me else address(holder)

    async def synced(self) -> None:
        """Waits until the holders are known once."""
        await self._leases.synced()

    async def run(self) -> None:
        """Takes part in the election of every bucket until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leases.run())
            for name in self.names:
                election = Election(self._client, name, SYSTEM_NAMESPACE, self.me, self._terms)
                group.create_task(self._take_part(election, name))

    async def _take_part(self, election: Election, name: str) -> None:
        async def hold() -> None:
            _log.info("%s: this replica decides for %s", self.me, name)
            self._held.add(name)
            self._tell()
            try:
                await asyncio.Event().wait()
            finally:
                self._held.discard(name)
                self._tell()

        await election.run(hold)

    def _tell(self) -> None:
        for handler in self._changed:
            handler()


def _lean(lease: dict[str, Any]) -> Object:
    meta = lease["metadata"]
    kept = {key: meta.get(key) for key in ("name", "namespace", "resourceVersion")}
    return {"metadata": kept, "spec": {"holderIdentity": (lease.get("spec") or {}).get("holderIdentity")}}
