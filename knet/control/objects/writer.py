"""Writes into the API, each only where something differs, and counts them."""

from __future__ import annotations

import asyncio
from typing import Any

from knet.control.ingress_kept import Kept
from knet.control.ingress_status import turned
from knet.control.objects.gateways import Kind
from knet.control.objects.known import Known
from knet.control.objects.plane import ObjectPlane
from knet.control.objects.seen import Object, Ref, ref_of, seen_of
from knet.kube import resources
from knet.kube.adopt import adopt
from knet.kube.apply import set_status
from knet.kube.client import Client
from knet.kube.errors import ApiError, NotFound
from knet.kube.events import Recorder
from knet.model import kingress
from knet.model.kingress import KIngress
from knet.routing.table import Key


class Writer:
    """Brings objects and statuses to where `plane` wants them. Belongs to one event loop."""

    def __init__(self, client: Client, kind: Kind, plane: ObjectPlane, known: Known) -> None:
        self.count = 0
        self._client = client
        self._kind = kind
        self._plane = plane
        self._known = known
        self._events = Recorder(client, "knet-ingress-controller")
        self._resources = {r.kind: r for r in kind.writes}

    async def run(self) -> None:
        """Writes Events, behind everybody's back, until cancelled."""
        await self._events.run()

    async def apply(self, key: Key) -> None:
        """Writes the objects of a KIngress that differ: those that others name before those that name them."""
        wanted = self._plane.wanted.get(key, {})
        differing = [ref for ref, digest in wanted.items() if not self._known.is_so(ref, digest)]
        if not differing:
            return
        objects = self._plane.objects(key)
        for resource in self._kind.writes:
            refs = [ref for ref in differing if ref[0] == resource.kind]
            await asyncio.gather(*(self._write(resource, objects[ref], wanted[ref]) for ref in refs))

    async def _write(self, resource: resources.Resource, body: Object, digest: bytes) -> None:
        if self._of_a_plugin(ref_of(body)):
            self.count += await adopt(self._client, resource, body)
        made = {**await self._client.apply(resource, body), "kind": resource.kind}
        self.count += 1
        self._known.written(ref_of(body), digest, seen_of(made, self._kind.rest(made)))

    def _of_a_plugin(self, ref: Ref) -> bool:
        """Whether an object of ours was made by somebody who served these KIngresses before, as net-istio does."""
        seen = self._known.seen.get(ref)
        if seen is None or seen.ours:
            return False
        # copies of Secrets stand in another namespace, where no KIngress can own them
        return seen.parent in self._plane.users.get(ref, ()) if seen.parent else ref[0] == "Secret"

    async def make(self, child: KIngress) -> None:
        """Writes a KIngress of the controller's own."""
        await self._client.apply(resources.INGRESSES, kingress.to_dict(child))
        self.count += 1

    async def delete(self, ref: Ref) -> None:
        """Deletes an object of a gateway, unless somebody wants it by now."""
        seen = self._known.seen.get(ref)
        if seen is None or ref in self._plane.users:
            return
        await self.remove(self._resources[ref[0]], (ref[1], ref[2]), seen.uid)
        self._known.forget(ref)

    async def remove(self, resource: resources.Resource, key: Key, uid: str | None) -> None:
        """Deletes an object, if it is still the one with this uid."""
        try:
            await self._client.delete(resource, key[1], key[0], uid=uid)
            self.count += 1
        except NotFound:
            pass  # somebody was quicker, for example garbage collection
        except ApiError as error:
            if error.status != 409:
                raise  # another object has the name by now: it is none of ours

    async def tell(self, kept: Kept, status: dict[str, Any]) -> None:
        """Writes a KIngress's status, and an Event where its readiness turns."""
        if status == kept.status:
            return
        await set_status(self._client, resources.INGRESSES, kept.raw, status)
        self.count += 1
        told = turned(kept.status, status)
        if told:
            self._events.record(kept.raw, *told)
