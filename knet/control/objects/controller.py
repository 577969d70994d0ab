"""The KIngress controller of gateways that are given objects (Istio, Contour).

What the API holds is compared with what the KIngresses ask for, and only differences are written. Everything that
a reconcile needs is in the API, so that one that was cut off anywhere is made good by the next.
"""

from __future__ import annotations

import asyncio
from typing import Any

from knet.backends.api import Readiness, State
from knet.backends.loading import child_key
from knet.control.guests import Reporter, is_helper, report, version_of
from knet.control.ingress_kept import Kept
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
from knet.rollout.migration import Report
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
        self._follower = Follower(client, kind, self._queue.add, self._planned)
        self._writer = Writer(client, kind, self._follower.plane, self._follower.known)
        self._probes = Probes(self._queue.add)
        self._guests = self._follower.guests
        self._reporter = Reporter(client, self._guests, self._report)
        self._told: dict[Key, dict[str, Any]] = {}

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
                group.create_task(self._reporter.run())
                group.create_task(self._queue.run(self._reconcile, _WORKERS))
                group.create_task(self._trash.run(self._writer.delete))
        finally:
            await self._probes.close()

    def _planned(self) -> None:
        self._reporter.touch()

    async def _reconcile(self, key: Key) -> None:
        try:
            await self._brought(key)
        finally:
            self._reporter.touch()

    async def _brought(self, key: Key) -> None:
        plane = self._follower.plane
        kept = self._follower.ingresses.get(key)
        if kept is None:
            self._probes.forget(key)
            self._told.pop(key, None)
            self._throw_away(key)
            return
        if not self._guests.serves(kept):
            self._told.pop(key, None)
            if kept.ingress_class and kept.ingress_class == self._guests.leaves_to:
                self._throw_away(key)
            return
        if kept.typed is None:
            await self._tell(key, kept, failed_of(kept.problem, self._before(key, kept), moment()))
            return
        if self._follower.planned.get(key) is not self._guests.typed(key, kept):
            return  # it comes again once it is planned
        ingress = plane.table.ingresses.get(key)
        if ingress is None or key in plane.problems:
            why = plane.problems.get(key, "it serves no host")
            await self._tell(key, kept, failed_of(why, self._before(key, kept), moment()))
            return
        try:
            readiness, stage = await self._program(key, kept, ingress)
        except (Invalid, Forbidden) as error:
            await self._tell(key, kept, failed_of(error.message, self._before(key, kept), moment()))
            raise
        before = self._before(key, kept)
        if readiness.state is State.FAILED:
            await self._tell(key, kept, failed_of(readiness.reason, before, moment()))
        elif stage == "ready" or not was_ready(ingress.origin.generation, before):
            made = self.kind.status(stage, ingress, self._follower.front, before)
            await self._tell(key, kept, timed(made, before, moment()))
        if stage == "ready":
            await self._end_child(key, kept)

    def _before(self, key: Key, kept: Kept) -> dict[str, Any]:
        """The status as ours said it last: of a guest it is kept here, for what stands there is its own controller's."""
        return kept.status if self._ours(kept) else self._told.get(key, {})

    async def _tell(self, key: Key, kept: Kept, status: dict[str, Any]) -> None:
        if self._ours(kept):
            self._told.pop(key, None)
            await self._writer.tell(kept, status)
        else:
            self._told[key] = status

    def _report(self) -> Report | None:
        """How far the gateway is with all that it is to serve; None while something is not planned yet."""
        served = {
            key: kept
            for key, kept in self._follower.ingresses.items()
            if self._guests.serves(kept) and not is_helper(kept.notes)
        }
        if any(
            kept.typed is not None and self._follower.planned.get(key) is not self._guests.typed(key, kept)
            for key, kept in served.items()
        ):
            return None
        versions = {key: version_of(kept.raw) for key, kept in served.items()}
        before = {key: self._before(key, kept) for key, kept in served.items()}
        waiting = [key for key in sorted(served) if not was_ready(versions[key][1], before[key])]
        return report(self._guests, versions, waiting, lambda key: _why(before[key]))

    async def _program(self, key: Key, kept: Kept, ingress: IngressTable) -> tuple[Readiness, str]:
        """Brings a KIngress's objects into the API, and says how far it is."""
        known, front = self._follower.known, self._follower.front
        child = self.kind.step(ingress, front, known.children(key))
        if child is not None and not await self._child(child):
            return Readiness(State.WAITING), "endpoints"
        await self._writer.apply(key)
        readiness = self._accepted(key)
        if readiness.state is not State.READY:
            return readiness, "waiting"
        self._throw_away(key)
        if was_ready(ingress.origin.generation, self._before(key, kept)):
            return readiness, "ready"
        targets = self.kind.targets(ingress, front)
        if targets is None:
            return Readiness(State.WAITING, NO_PODS), "waiting"
        answered = self._probes.done(key, targets)
        return (readiness, "ready") if answered else (Readiness(State.WAITING), "waiting")

    def _accepted(self, key: Key) -> Readiness:
        """What the control plane says of a KIngress's objects. Rendered again only where there is more to say than yes."""
        plane, known = self._follower.plane, self._follower.known
        wanted = plane.wanted.get(key, {})
        there = {ref: known.seen[ref] for ref in wanted if ref in known.seen}
        as_wanted = all(known.is_so(ref, digest) for ref, digest in wanted.items())
        if as_wanted and self.kind.content(there.values()):
            return Readiness(State.READY)
        return self.kind.accepted(key, plane.render(key), there)

    async def _child(self, child: KIngress) -> bool:
        """Has a KIngress beside the one it serves; whether it is ready."""
        kept = self._follower.ingresses.get(child.key)
        if kept is None or kept.typed is None or kept.typed.defaulted().spec != child.defaulted().spec:
            await self._writer.make(child)
            return False
        return was_ready(kept.typed.metadata.generation, kept.status)

    async def _end_child(self, key: Key, kept: Kept) -> None:
        child = self._follower.ingresses.get(child_key(key, self.kind.child_mark))
        owner: Any = kept.raw["metadata"].get("uid")
        if (
            child is None
            or child.typed is None
            or self.kind.child_mark not in child.typed.metadata.annotations
        ):
            return
        if not self._ours(child):
            return  # another gateway, which serves this KIngress too, waits for it
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


def _why(status: dict[str, Any]) -> str:
    messages = (str(c.get("message", "")) for c in status.get("conditions") or () if c.get("type") == "Ready")
    return next(messages, "")
