"""From the API to what is wanted in it: follows what changes and plans every KIngress anew that this touches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from knet.control.guests import Guests, is_report
from knet.control.ingress_kept import Kept, keep_ingress, routing
from knet.control.objects.gateways import Front, Kind
from knet.control.objects.known import Known
from knet.control.objects.plane import ObjectPlane
from knet.control.objects.seen import Object, Seen, seen_of
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.informer import Handler, Informer
from knet.model import core
from knet.model.kingress import KIngress
from knet.routing.table import Key
from knet.routing.world import World

_CONFIG_NAMESPACE = "knative-serving"
_CHUNK = 50


class Follower:
    """Belongs to one event loop. Writes nothing.

    `plane` has what is wanted, `known` what is there, `front` what is known of the gateways, `planned` every KIngress
    in the version that `plane` has it in; `begun` is set once all that was there in the beginning is planned.
    """

    def __init__(
        self, client: Client, kind: Kind, look: Callable[[Key], None], settled: Callable[[], None]
    ) -> None:
        """`look` hears of KIngresses whose objects or status may have to be written; `settled` hears each time when
        all that was heard of is planned, also where there is no KIngress at all.
        """
        self._kind = kind
        self._look = look
        self._settled = settled
        self.plane = ObjectPlane(kind.backend)
        self.guests = Guests(kind.backend.name)
        self.known = Known()
        self.front = Front(None, World())
        self.planned: dict[Key, KIngress] = {}
        self.begun = asyncio.Event()
        self._typed: dict[Key, KIngress] = {}
        self._slices: dict[Key, dict[Key, core.EndpointSlice]] = {}
        self._services: dict[Key, core.Service] = {}
        self._secrets: dict[Key, core.Secret] = {}
        self._changed: set[Key] = set()
        self._everything = True
        self._front_changed = True
        self._wake = asyncio.Event()
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

    @property
    def ingresses(self) -> Mapping[Key, Kept]:
        """All KIngresses, of whatever class."""
        return self._ingresses.store

    @property
    def idle(self) -> bool:
        """Whether everything that was heard of is planned."""
        return self.begun.is_set() and not self._wake.is_set()

    async def run(self) -> None:
        """Follows and plans until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())
            group.create_task(self._plan())

    def look_at(self, keys: Iterable[Key]) -> None:
        """Has KIngresses looked at."""
        for key in tuple(keys):
            self._look(key)

    # What changes in the API

    def _keep(self, raw: Object) -> tuple[Seen, core.Secret | None]:
        secret = core.parse(raw) if raw["kind"] == "Secret" else None
        return seen_of(raw, self._kind.rest(raw)), secret if isinstance(secret, core.Secret) else None

    def _ingress(self, key: Key, old: Kept | None, new: Kept | None) -> None:
        before, typed = self._typed.get(key), self.guests.typed(key, new)
        if typed is None:
            self._typed.pop(key, None)
        else:
            self._typed[key] = typed
        if old and typed and before and routing(before) == routing(typed):
            if self.planned.get(key) is before:
                self.planned[key] = typed
            self._look(key)  # somebody wrote its status: it has to say what is true
            if typed.metadata.owner_references:  # its parent waits for it
                self.look_at((key[0], o.name) for o in typed.metadata.owner_references)
            return
        self._changed.add(key)
        self._wake.set()

    def _map(self, key: Key, *_: Any) -> None:
        if is_report(key):
            return
        if self.guests.learn(self._maps.store):
            made = {key: self.guests.typed(key, kept) for key, kept in self.ingresses.items()}
            self._typed.update((key, typed) for key, typed in made.items() if typed is not None)
        self._everything = True
        self._wake.set()

    def _service(self, key: Key, old: core.Service | None, new: core.Service | None) -> None:
        if new is None:
            self._services.pop(key, None)
        else:
            self._services[key] = new
        self._changed |= self.plane.touching(services=(key,))
        if self.front.settings is None or any(s and self._kind.fronts(s, self.front) for s in (old, new)):
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
            if piece.service in self.front.world.services:
                self._front_changed = True
                self._wake.set()

    def _object(self, kind: str, key: Key, _: Any, new: Any) -> None:
        ref = kind, *key
        seen = new[0] if new else None
        before = self.known.seen.get(ref)
        if not self.known.heard(ref, seen):
            return
        if kind == "Secret":
            self._secret(key, new[1] if new else None)
        if kind == "Gateway" and any(found and found.rest for found in (before, seen)):
            self._front_changed = True
            self._wake.set()
        self.look_at(self.plane.users.get(ref, ()))
        if seen and seen.parent and ref not in self.plane.users:
            self._look(seen.parent)

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
            self.begun.set()
            self._settled()

    async def _render(self, keys: list[Key]) -> None:
        for i, key in enumerate(keys):
            self.plane.look(key)
            if key in self._typed:
                self.planned[key] = self._typed[key]
            else:
                self.planned.pop(key, None)
            self._look(key)
            if i % _CHUNK == _CHUNK - 1:
                await asyncio.sleep(0)  # a Lease is to be renewed meanwhile

    def _renew_front(self) -> None:
        """Settings, gateway Services and their endpoints anew; everything is rendered again if that shows."""
        self._front_changed = False
        world = self._world()
        settings, _ = self._kind.backend.settings(world)
        gateways = {
            (ref[1], ref[2]): seen.rest
            for ref, seen in self.known.seen.items()
            if ref[0] == "Gateway" and seen.rest.get("spec")
        }
        self.front = Front(settings, World(), gateways)
        services = {k: s for k, s in self._services.items() if self._kind.fronts(s, self.front)}
        slices = {k: world.endpoint_slices[k] for k in services if k in world.endpoint_slices}
        self.front = Front(settings, World(services=services, endpoint_slices=slices), gateways)
        if self._kind.rendering(settings) != self._kind.rendering(self.plane.settings or settings):
            self._everything = True
        self.look_at(self.ingresses)

    def _world(self) -> World:
        return World(self._typed, self._services, _Slices(self._slices), self._secrets, self._maps.store)


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
