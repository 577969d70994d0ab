"""The KIngress controller of gateways that are given objects (Istio, Contour).

What the API holds is compared with what the KIngresses ask for, and only differences are written. Everything that
a reconcile needs is in the API, so that one that was cut off anywhere is made good by the next.
"""

from __future__ import annotations

import asyncio
from typing import Any

from knet.backends.api import Readiness, State
from knet.backends.loading import child_key
from knet.control.ingress import Kept
from knet.control.ingress_status import failed_of, moment, timed, was_ready
from knet.control.objects.follower import Follower
from knet.control.objects.gateways import Kind
from knet.control.objects.probing import Probes
from knet.control.objects.seen import Ref, Seen
from knet.control.objects.writer import Writer
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import Forbidden, Invalid
from knet.kube.workqueue import WorkQueue
from knet.model.kingress import KIngress
from knet.routing.table import IngressTable, Key

_WORKERS = 8
NO_PODS = "no gateway pod is ready to be asked for it"


class ObjectController:
    """Programs the gateways for the KIngresses of one class. Belongs to one event loop.

    Run `serve` on every replica and `write` on the one that leads. `writes` counts what was written into the API.
    """

    def __init__(self, client: Client, kind: Kind) -> None:
        self.kind = kind
        self._queue: WorkQueue[Key] = WorkQueue(f"KIngress for {kind.backend.name}")
        self._trash: WorkQueue[Ref] = WorkQueue("object of no KIngress")
        self._follower = Follower(client, kind, self._queue.add)
        self._writer = Writer(client, kind, self._follower.plane, self._follower.known)
        self._probes = Probes(self._queue.add)

    @property
    def writes(self) -> int:
        """How much was written into the API, Events and Leases aside."""
        return self._writer.count

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be done but to wait for others."""
        return self._follower.idle and self._queue.idle and self._trash.idle

    async def run(self) -> None:
        """Follows and writes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.serve())
            group.create_task(self.write())

    async def serve(self) -> None:
        """Follows the API and works out what is wanted, until cancelled. Writes nothing."""
        await self._follower.run()

    async def write(self) -> None:
        """Brings the API into line until cancelled. Only one replica does at a time."""
        await self._follower.begun.wait()
        self._follower.look_at(self._follower.ingresses)
        for ref, seen in self._follower.known.seen.items():
            if seen.ours and ref not in self._follower.plane.users and self._orphan(seen):
                self._trash.add(ref)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                group.create_task(self._queue.run(self._reconcile, _WORKERS))
                group.create_task(self._trash.run(self._writer.delete))
        finally:
            await self._probes.close()

    async def _reconcile(self, key: Key) -> None:
        plane = self._follower.plane
        kept = self._follower.ingresses.get(key)
        if kept is None:
            self._probes.forget(key)
            self._throw_away(key)
            return
        if not self._ours(kept):
            return
        if kept.typed is None:
            await self._writer.tell(kept, failed_of(kept.problem, kept.status, moment()))
            return
        if self._follower.planned.get(key) is not kept.typed:
            return  # it comes again once it is planned
        ingress = plane.table.ingresses.get(key)
        if ingress is None or key in plane.problems:
            why = plane.problems.get(key, "it serves no host")
            await self._writer.tell(kept, failed_of(why, kept.status, moment()))
            return
        try:
            readiness, stage = await self._program(key, kept, ingress)
        except (Invalid, Forbidden) as error:
            await self._writer.tell(kept, failed_of(error.message, kept.status, moment()))
            raise
        if readiness.state is State.FAILED:
            await self._writer.tell(kept, failed_of(readiness.reason, kept.status, moment()))
        elif stage == "ready" or not was_ready(ingress.origin.generation, kept.status):
            made = self.kind.status(stage, ingress, self._follower.front, kept.status)
            await self._writer.tell(kept, timed(made, kept.status, moment()))
        if stage == "ready":
            await self._end_child(key, kept)

    async def _program(self, key: Key, kept: Kept, ingress: IngressTable) -> tuple[Readiness, str]:
        """Brings a KIngress's objects into the API, and says how far it is."""
        plane, known, front = self._follower.plane, self._follower.known, self._follower.front
        child = self.kind.step(ingress, front, known.children(key))
        if child is not None and not await self._child(child):
            return Readiness(State.WAITING), "endpoints"
        await self._writer.apply(key)
        there = {ref: known.seen[ref] for ref in plane.wanted.get(key, {}) if ref in known.seen}
        readiness = self.kind.accepted(key, plane.render(key), there)
        if readiness.state is not State.READY:
            return readiness, "waiting"
        self._throw_away(key)
        if was_ready(ingress.origin.generation, kept.status):
            return readiness, "ready"
        targets = self.kind.targets(ingress, front)
        if targets is None:
            return Readiness(State.WAITING, NO_PODS), "waiting"
        answered = self._probes.done(key, targets)
        return (readiness, "ready") if answered else (Readiness(State.WAITING), "waiting")

    async def _child(self, child: KIngress) -> bool:
        """Has a KIngress beside the one it serves; whether it is ready."""
        kept = self._follower.ingresses.get(child.key)
        if kept is None or kept.typed is None or kept.typed.defaulted().spec != child.defaulted().spec:
            await self._writer.make(child)
            return False
        return was_ready(kept.typed.metadata.generation, kept.status)

    async def _end_child(self, key: Key, kept: Kept) -> None:
        child = self._follower.ingresses.get(child_key(key))
        owner: Any = kept.raw["metadata"].get("uid")
        if (
            child is None
            or child.typed is None
            or self.kind.child_mark not in child.typed.metadata.annotations
        ):
            return
        if owner in {o.uid for o in child.typed.metadata.owner_references}:
            uid = child.raw["metadata"].get("uid")
            await self._writer.remove(resources.INGRESSES, child.typed.key, uid)

    def _throw_away(self, key: Key) -> None:
        """Marks what a KIngress no longer makes, and what stands there as its own without being wanted."""
        plane = self._follower.plane
        for ref in plane.left.pop(key, set()) | self._follower.known.children(key).keys():
            if ref not in plane.users:
                self._trash.add(ref)

    def _orphan(self, seen: Seen) -> bool:
        """Whether the KIngress of an object is gone or ours; another class's is left alone."""
        kept = self._follower.ingresses.get(seen.parent) if seen.parent else None
        return kept is None or self._ours(kept)

    def _ours(self, kept: Kept) -> bool:
        return kept.ingress_class == self.kind.backend.ingress_class
