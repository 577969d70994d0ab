"""The KIngress controller of gateways that are given objects (Istio, Contour).

What the API holds is compared with what the KIngresses ask for, and only differences are written. Everything that
a reconcile needs is in the API, so that one that was cut off anywhere is made good by the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from knet.backends.api import Readiness, State
from knet.control.ingress import Kept, keep_ingress, routing
from knet.control.ingress_status import failed_of, timed, turned, was_ready
from knet.control.objects.gateways import Front, Kind
from knet.control.objects.plane import ObjectPlane
from knet.control.objects.probing import Probes
from knet.control.objects.seen import Object, Ref, Seen, ref_of, seen_of
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Client
from knet.kube.errors import ApiError, Forbidden, Invalid, NotFound
from knet.kube.events import Recorder
from knet.kube.informer import Handler, Informer
from knet.kube.workqueue import WorkQueue
from knet.model import core, kingress
from knet.model.kingress import KIngress
from knet.routing.table import IngressTable, Key
from knet.routing.world import World

_CONFIG_NAMESPACE = "knative-serving"
_WORKERS = 8
_CHUNK = 50
NO_PODS = "no gateway pod is ready to be asked for it"


class ObjectController:
    """Programs the gateways for the KIngresses of one class. Belongs to one event loop.

    Run `serve` on every replica and `write` on the one that leads. `writes` counts what was written into the API.
    """

    def __init__(self, client: Client, kind: Kind) -> None:
        self._client = client
        self.kind = kind
        self.plane = ObjectPlane(kind.backend)
        self.writes = 0
        self._events = Recorder(client, "knet-ingress-controller")
        self._queue: WorkQueue[Key] = WorkQueue(f"KIngress for {kind.backend.name}")
        self._trash: WorkQueue[Ref] = WorkQueue("object of no KIngress")
        self._probes = Probes(self._queue.add)
        self._typed: dict[Key, KIngress] = {}
        self._planned: dict[Key, KIngress] = {}
        self._slices: dict[Key, dict[Key, core.EndpointSlice]] = {}
        self._services: dict[Key, core.Service] = {}
        self._secrets: dict[Key, core.Secret] = {}
        self._seen: dict[Ref, Seen] = {}
        self._children: dict[Key, set[Ref]] = {}
        self._settled: dict[Ref, tuple[bytes, bytes]] = {}
        self._front = Front(None, World())
        self._changed: set[Key] = set()
        self._everything = True
        self._front_changed = True
        self._wake = asyncio.Event()
        self._begun = asyncio.Event()
        self._resources = {r.kind: r for r in kind.writes}
        self._ingresses = Informer(client, resources.INGRESSES, keep=keep_ingress)
        self._ingresses.on_change(self._ingress)
        self._maps = Informer(client, resources.CONFIG_MAPS, namespace=_CONFIG_NAMESPACE, keep=core.parse)
        self._maps.on_change(self._map)
        self._informers = [self._ingresses, self._maps]
        follow: tuple[tuple[resources.Resource, Callable[[Object], Any], Handler], ...] = (
            (resources.SERVICES, core.parse, self._service),
            (resources.ENDPOINT_SLICES, core.parse, self._slice),
            *((r, self._keep, partial(self._object, r.kind)) for r in kind.writes),
        )
        for resource, keep, handler in follow:
            informer = Informer(client, resource, keep=keep)
            informer.on_change(handler)
            self._informers.append(informer)

    async def run(self) -> None:
        """Follows and writes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.serve())
            group.create_task(self.write())

    async def serve(self) -> None:
        """Follows the API and works out what is wanted, until cancelled. Writes nothing."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())
            group.create_task(self._plan())

    async def write(self) -> None:
        """Brings the API into line until cancelled. Only one replica does at a time."""
        await self._begun.wait()
        self._look_at(self._ingresses.store)
        for ref, seen in self._seen.items():
            if seen.ours and ref not in self.plane.users and self._orphan(seen):
                self._trash.add(ref)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._events.run())
                group.create_task(self._queue.run(self._reconcile, _WORKERS))
                group.create_task(self._trash.run(self._delete))
        finally:
            await self._probes.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be done but to wait for others."""
        return self._begun.is_set() and self._queue.idle and self._trash.idle and not self._wake.is_set()

    # What changes in the API

    def _keep(self, raw: Object) -> tuple[Seen, core.Secret | None]:
        secret = core.parse(raw) if raw["kind"] == "Secret" else None
        return seen_of(raw, self.kind.rest(raw)), secret if isinstance(secret, core.Secret) else None

    def _ingress(self, key: Key, old: Kept | None, new: Kept | None) -> None:
        typed = new.typed if new else None
        if typed is None:
            self._typed.pop(key, None)
        else:
            self._typed[key] = typed
        if old and typed and old.typed and routing(old.typed) == routing(typed):
            if self._planned.get(key) is old.typed:
                self._planned[key] = typed
            self._queue.add(key)  # somebody wrote its status: it has to say what is true
            if typed.metadata.owner_references:  # its parent waits for it
                self._look_at((key[0], o.name) for o in typed.metadata.owner_references)
            return
        self._changed.add(key)
        self._wake.set()

    def _map(self, *_: Any) -> None:
        self._everything = True
        self._wake.set()

    def _service(self, key: Key, old: core.Service | None, new: core.Service | None) -> None:
        if new is None:
            self._services.pop(key, None)
        else:
            self._services[key] = new
        self._changed |= self.plane.touching(services=(key,))
        if self._front.settings is None or any(s and self.kind.fronts(s, self._front) for s in (old, new)):
            self._front_changed = True
        self._wake.set()

    def _slice(self, key: Key, old: core.EndpointSlice | None, new: core.EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is None:
                continue
            of = self._slices.setdefault(piece.service, {})
            of.pop(key, None)
            if piece is new:
                of[key] = piece
            if not of:
                self._slices.pop(piece.service, None)
            if piece.service in self._front.world.services:
                self._front_changed = True
                self._wake.set()

    def _object(self, kind: str, key: Key, _: Any, new: Any) -> None:
        ref = kind, *key
        seen = new[0] if new else None
        known = self._seen.get(ref)
        if seen and known and _number(known.version) > _number(seen.version):
            return  # what we wrote ourselves is newer than this event
        self._note(ref, known, seen)
        if kind == "Secret":
            self._secret(key, new[1] if new else None)
        if kind == "Gateway" and any(found and found.rest for found in (known, seen)):
            self._front_changed = True
            self._wake.set()
        self._look_at(self.plane.users.get(ref, ()))
        if seen and seen.parent and ref not in self.plane.users:
            self._look_at((seen.parent,))

    def _secret(self, key: Key, secret: core.Secret | None) -> None:
        if secret is None:
            self._secrets.pop(key, None)
        else:
            self._secrets[key] = secret
        touched = self.plane.touching(secrets=(key,))
        if touched:
            self._changed |= touched
            self._wake.set()

    # What is wanted

    async def _plan(self) -> None:
        for informer in self._informers:
            await informer.synced()
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = frozenset(self._changed), set()
            if self._front_changed or self._everything:
                self._renew_front()
            if self._everything:
                self._everything = False
                changed |= self.plane.begin(self._world())[0]
            elif changed:
                changed = self.plane.update(self._world(), changed)
            await self._render(sorted(changed))
            self._begun.set()

    async def _render(self, keys: list[Key]) -> None:
        for i, key in enumerate(keys):
            self.plane.look(key)
            if key in self._typed:
                self._planned[key] = self._typed[key]
            else:
                self._planned.pop(key, None)
            self._queue.add(key)
            if i % _CHUNK == _CHUNK - 1:
                await asyncio.sleep(0)  # a Lease is to be renewed meanwhile

    def _renew_front(self) -> None:
        """Settings, gateway Services and their endpoints anew; everything is rendered again if that shows."""
        self._front_changed = False
        world = self._world()
        settings, _ = self.kind.backend.settings(world)
        gateways = {
            (ref[1], ref[2]): seen.rest
            for ref, seen in self._seen.items()
            if ref[0] == "Gateway" and seen.rest.get("spec")
        }
        self._front = Front(settings, World(), gateways)
        services = {k: s for k, s in self._services.items() if self.kind.fronts(s, self._front)}
        slices = {k: world.endpoint_slices[k] for k in services if k in world.endpoint_slices}
        self._front = Front(settings, World(services=services, endpoint_slices=slices), gateways)
        if self.kind.rendering(settings) != self.kind.rendering(self.plane.settings or settings):
            self._everything = True
        self._look_at(self._ingresses.store)

    def _world(self) -> World:
        return World(self._typed, self._services, _Slices(self._slices), self._secrets, self._maps.store)

    def _look_at(self, keys: Iterable[Key]) -> None:
        for key in tuple(keys):
            self._queue.add(key)

    # What is done about it

    async def _reconcile(self, key: Key) -> None:
        kept = self._ingresses.store.get(key)
        if kept is None:
            self._probes.forget(key)
            self._throw_away(key)
            return
        if not self._ours(kept):
            return
        if kept.typed is None:
            await self._tell(kept, failed_of(kept.problem, self._before(kept), _now()))
            return
        if self._planned.get(key) is not kept.typed:
            return  # it comes again once it is planned
        ingress = self.plane.table.ingresses.get(key)
        if ingress is None or key in self.plane.problems:
            why = self.plane.problems.get(key, "it serves no host")
            await self._tell(kept, failed_of(why, self._before(kept), _now()))
            return
        try:
            readiness, stage = await self._program(key, kept, ingress)
        except (Invalid, Forbidden) as error:
            await self._tell(kept, failed_of(error.message, self._before(kept), _now()))
            raise
        before = self._before(kept)
        if readiness.state is State.FAILED:
            await self._tell(kept, failed_of(readiness.reason, before, _now()))
        elif stage == "ready" or not was_ready(ingress.origin.generation, before):
            made = self.kind.status(stage, ingress, self._front, before)
            await self._tell(kept, timed(made, before, _now()))
        if stage == "ready":
            await self._end_child(key, kept)

    async def _program(self, key: Key, kept: Kept, ingress: IngressTable) -> tuple[Readiness, str]:
        """Brings a KIngress's objects into the API, and says how far it is."""
        found = {r: self._seen[r] for r in self._children.get(key, ()) if r in self._seen}
        step = self.kind.step(ingress, self._front, found)
        if step.child is not None and not await self._child(step.child):
            return Readiness(State.WAITING), "endpoints"
        await self._apply(key)
        wanted = self.plane.wanted.get(key, {})
        there = {ref: self._seen[ref] for ref in wanted if ref in self._seen}
        made = self.plane.render(key)
        readiness = self.kind.accepted(key, made, there)
        if readiness.state is not State.READY:
            return readiness, "waiting"
        self._throw_away(key)
        if was_ready(ingress.origin.generation, self._before(kept)):
            return readiness, "ready"
        targets = self.kind.targets(ingress, self._front)
        if targets is None:
            return Readiness(State.WAITING, NO_PODS), "waiting"
        answered = self._probes.done(key, targets)
        return (readiness, "ready") if answered else (Readiness(State.WAITING), "waiting")

    async def _apply(self, key: Key) -> None:
        """Writes the objects that differ: those that others name before those that name them."""
        wanted = self.plane.wanted.get(key, {})
        differing = [ref for ref, digest in wanted.items() if not self._is_so(ref, digest)]
        if not differing:
            return
        objects = self.plane.objects(key)
        for resource in self.kind.writes:
            await asyncio.gather(
                *(
                    self._write(resource, objects[ref], wanted[ref])
                    for ref in differing
                    if ref[0] == resource.kind
                )
            )

    def _is_so(self, ref: Ref, digest: bytes) -> bool:
        seen = self._seen.get(ref)
        return seen is not None and (seen.digest == digest or self._settled.get(ref) == (digest, seen.digest))

    async def _write(self, resource: resources.Resource, body: Object, digest: bytes) -> None:
        made = await self._client.apply(resource, body)
        self.writes += 1
        ref, seen = ref_of(body), self._keep({**made, "kind": resource.kind})[0]
        if seen.digest != digest:  # defaults, or somebody else's fields: this is what it comes to
            self._settled[ref] = digest, seen.digest
        self._note(ref, self._seen.get(ref), seen)

    async def _child(self, child: KIngress) -> bool:
        """Has a KIngress beside the one it serves; whether it is ready."""
        kept = self._ingresses.store.get(child.key)
        if kept is None or kept.typed is None or kept.typed.defaulted().spec != child.defaulted().spec:
            await self._client.apply(resources.INGRESSES, kingress.to_dict(child))
            self.writes += 1
            return False
        return was_ready(kept.typed.metadata.generation, self._before(kept))

    async def _end_child(self, key: Key, kept: Kept) -> None:
        from knet.backends.contour.endpoint_probe import PROBE_ANNOTATION
        from knet.model.names import child_name

        child = self._ingresses.store.get((key[0], child_name(f"{key[1]}--", "ep")))
        owner = {"uid": kept.raw["metadata"].get("uid")}
        if child is None or child.typed is None or PROBE_ANNOTATION not in child.typed.metadata.annotations:
            return
        if owner["uid"] in {o.uid for o in child.typed.metadata.owner_references}:
            await self._remove(resources.INGRESSES, child.typed.key, child.raw["metadata"].get("uid"))

    def _throw_away(self, key: Key) -> None:
        """Marks what a KIngress no longer makes, and what stands there as its own without being wanted."""
        for ref in self.plane.left.pop(key, set()) | self._children.get(key, set()):
            if ref not in self.plane.users:
                self._trash.add(ref)

    async def _delete(self, ref: Ref) -> None:
        seen = self._seen.get(ref)
        if seen is None or ref in self.plane.users:
            return
        await self._remove(self._resources[ref[0]], (ref[1], ref[2]), seen.uid)
        self._settled.pop(ref, None)

    async def _remove(self, resource: resources.Resource, key: Key, uid: str | None) -> None:
        try:
            await self._client.delete(resource, key[1], key[0], uid=uid)
            self.writes += 1
        except NotFound:
            pass  # somebody was quicker, for example garbage collection
        except ApiError as error:
            if error.status != 409:
                raise  # another object has the name by now: it is none of ours

    async def _tell(self, kept: Kept, status: dict[str, Any]) -> None:
        before = self._before(kept)
        if status == before:
            return
        await set_status(self._client, resources.INGRESSES, kept.raw, status)
        self.writes += 1
        told = turned(before, status)
        if told:
            self._events.record(kept.raw, *told)

    # What is known

    def _note(self, ref: Ref, old: Seen | None, new: Seen | None) -> None:
        if old and old.parent:
            self._children.get(old.parent, set()).discard(ref)
        if new is None:
            self._seen.pop(ref, None)
            return
        self._seen[ref] = new
        if new.parent:
            self._children.setdefault(new.parent, set()).add(ref)

    def _orphan(self, seen: Seen) -> bool:
        """Whether the KIngress of an object is gone or ours; another class's is left alone."""
        kept = self._ingresses.store.get(seen.parent) if seen.parent else None
        return kept is None or self._ours(kept)

    def _ours(self, kept: Kept) -> bool:
        """Of our class; those of others, or of none, are left exactly as they are."""
        notes = kept.raw["metadata"].get("annotations") or {}
        found = notes.get(kingress.CLASS_ANNOTATION) or notes.get(kingress.LEGACY_CLASS_ANNOTATION, "")
        return bool(found == self.kind.backend.ingress_class)

    def _before(self, kept: Kept) -> dict[str, Any]:
        found: dict[str, Any] = kept.raw.get("status") or {}
        return found


class _Slices(Mapping[Key, tuple[core.EndpointSlice, ...]]):
    """Slices by Service, in the order of their names, worked out when they are asked for."""

    def __init__(self, found: Mapping[Key, Mapping[Key, core.EndpointSlice]]) -> None:
        self._found = found

    def __getitem__(self, key: Key) -> tuple[core.EndpointSlice, ...]:
        return tuple(piece for _, piece in sorted(self._found[key].items()))

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(version: str) -> int:
    """Resource versions of one kind can be compared (Kubernetes 1.35: they are numbers)."""
    return int(version) if version.isdigit() else 0
