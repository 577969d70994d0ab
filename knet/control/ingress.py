"""The KIngress controller: what the API says becomes what the gateways have; what they say becomes status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from knet.backends.api import Readiness, State
from knet.control.gateway import Gateway
from knet.control.guests import Guests, Reporter, is_helper, is_report, report, version_of
from knet.control.ingress_kept import Kept, keep_ingress, routing
from knet.control.ingress_status import Balancers, moment, status_of, turned
from knet.control.plane import Plane
from knet.control.refusals import Refused, Replica, Teller, is_refusals, load, mark_of
from knet.envoy.server import Server
from knet.envoy.server_waiters import Outcome
from knet.envoy.snapshot import LISTENER
from knet.errors import Severity
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Client
from knet.kube.events import Recorder
from knet.kube.informer import Informer
from knet.kube.workqueue import WorkQueue
from knet.model import core
from knet.rollout.migration import Report
from knet.routing.table import Key, Visibility
from knet.routing.world import World

_CONFIG_NAMESPACE = "knative-serving"


class IngressController:
    """Serves the KIngresses of one class. Belongs to one event loop."""

    def __init__(
        self,
        client: Client,
        plane: Plane,
        server: Server,
        addresses: Mapping[Visibility, tuple[str, int]],
        balancers: Balancers,
        *,
        replica: Replica | None = None,
    ) -> None:
        """`addresses` are where the gateway listens for plain HTTP, as seen from here: probes go there. `replica`: who
        this is, where others serve gateways too.
        """
        self.gateway = Gateway(plane, server, addresses, self._heard, shared=replica is not None)
        self._client = client
        self._balancers = balancers
        self._world = World()
        self._problems: dict[Key, str] = {}
        self._dirty = asyncio.Event()
        self._published = asyncio.Event()
        self._statuses: WorkQueue[Key] = WorkQueue("KIngress status")
        self._events = Recorder(client, "knet-ingress-controller")
        self._guests = Guests(plane.backend.name)
        self._reporter = Reporter(client, self._guests, self._report)
        self._versions: dict[Key, Any] = {}
        self._replica = replica
        self._teller = Teller(client, replica, self._refused, self._told) if replica else None
        self._others: dict[Key, Refused] = {}
        self._ingresses = Informer(client, resources.INGRESSES, keep=keep_ingress)
        self._services = Informer(client, resources.SERVICES, keep=core.parse)
        self._slices = Informer(client, resources.ENDPOINT_SLICES, keep=core.parse)
        self._secrets = Informer(client, resources.SECRETS, keep=core.parse)
        self._maps = Informer(client, resources.CONFIG_MAPS, namespace=_CONFIG_NAMESPACE, keep=core.parse)
        self._ingresses.on_change(self._ingress_changed)
        for informer in (self._services, self._slices, self._secrets):
            informer.on_change(lambda *_: self._dirty.set())
        self._maps.on_change(self._map_changed)

    @property
    def _informers(self) -> tuple[Informer, ...]:
        return self._ingresses, self._services, self._slices, self._secrets, self._maps

    async def run(self) -> None:
        """Serves, and writes statuses, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.serve())
            group.create_task(self.write())

    async def serve(self) -> None:
        """Has the gateways follow the API until cancelled. Every replica does."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())
            if self._teller is not None:
                group.create_task(self._teller.run())
            group.create_task(self._publish())

    async def write(self) -> None:
        """Writes statuses until cancelled. Only one replica does at a time."""
        for key in self._ingresses.store:
            self._statuses.add(key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._statuses.run(self._write_status))
            group.create_task(self._reporter.run())

    async def listening(self) -> Outcome:
        """Waits until a gateway has its listeners, or refuses one."""
        await self._published.wait()
        snapshot = self.gateway.server.snapshot
        assert snapshot is not None  # it was published
        wanted = {(LISTENER, name): found.version for name, found in snapshot.of_type(LISTENER).items()}
        return await self.gateway.server.acked(wanted)

    def _ingress_changed(self, key: Key, old: Kept | None, new: Kept | None) -> None:
        if (
            old
            and new
            and old.typed is not None
            and old.raw["metadata"].get("generation") == (new.raw["metadata"].get("generation"))
            and routing(old.typed) == routing(new.typed)
        ):
            self._statuses.add(key)  # somebody wrote its status: it has to say what is true
            return
        self._dirty.set()

    def _map_changed(self, key: Key, _: Any, new: core.ConfigMap | None) -> None:
        if not is_report(key):
            self._dirty.set()
        elif is_refusals(key) and self._replica is not None and key != self._replica.key:
            before = self._others.pop(key, {})
            if found := load(new):
                self._others[key] = found
            for about in before.keys() | found.keys():
                self._statuses.add(about)
            self._reporter.touch()

    async def _publish(self) -> None:
        for informer in self._informers:
            await informer.synced()
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self._world = self._read()
            update, found = self.gateway.apply(self._world)
            self._published.set()
            for key in update.rendered | update.kept:
                self._problems.pop(key, None)
            for diagnostic in found:
                if diagnostic.about and diagnostic.severity is Severity.ERROR:
                    about = diagnostic.about.namespace, diagnostic.about.name
                    self._problems.setdefault(about, f"{diagnostic.field}: {diagnostic.message}")
            for key in update.rendered | update.kept:
                self._statuses.add(key)
            for key, kept in self._ingresses.store.items():
                if kept.typed is None:
                    self._statuses.add(key)
            self._touch()

    def _read(self) -> World:
        maps = {key: found for key, found in self._maps.store.items() if not is_report(key)}
        self._guests.learn(maps)
        ingresses = {key: found.typed for key, found in self._ingresses.store.items()}
        self._versions = {}
        if self._guests.migration is not None:  # else all are as they are, and this takes time
            kept = dict(self._ingresses.store)
            ingresses = {key: self._guests.typed(key, found) for key, found in kept.items()}
            served = {k: f for k, f in kept.items() if self._guests.serves(f) and not is_helper(f.notes)}
            self._versions = {key: version_of(found.raw) for key, found in served.items()}
        slices: dict[Key, tuple[core.EndpointSlice, ...]] = {}
        for key in sorted(self._slices.store):
            found = self._slices.store[key]
            if found.service[1]:
                slices[found.service] = (*slices.get(found.service, ()), found)
        return World(
            {key: typed for key, typed in ingresses.items() if typed is not None},
            dict(self._services.store),
            slices,
            dict(self._secrets.store),
            maps,
        )

    def _report(self) -> Report | None:
        """How far the gateways are with everything that was published last."""
        states = self.gateway.confirmations.states
        waiting = [key for key in sorted(self._versions) if not _is_ready(states.get(key))]
        return report(self._guests, self._versions, waiting, lambda key: self._state(key).reason)

    def _heard(self, key: Key, _: Readiness) -> None:
        self._statuses.add(key)
        self._touch()

    def _touch(self) -> None:
        self._reporter.touch()
        if self._teller is not None:
            self._teller.touch()

    def _refused(self) -> Refused:
        """What those gateways have refused that ask this replica."""
        wanted = self.gateway.plane.wanted
        return {k: (mark_of(wanted(k)), said) for k, said in self.gateway.confirmations.refused().items()}

    def _told(self) -> Refused:
        return load(self._maps.store.get(self._replica.key)) if self._replica else {}

    def _state(self, key: Key) -> Readiness:
        """What our gateways say of a KIngress; while they say nothing, what those refuse that ask other replicas."""
        state = self.gateway.confirmations.states.get(key, Readiness(State.WAITING))
        told = [found[key] for _, found in sorted(self._others.items()) if key in found]
        if state.state is State.WAITING and told:
            mark = mark_of(self.gateway.plane.wanted(key))
            words = "; ".join(said for refused, said in told if refused == mark)
            return Readiness(State.FAILED, words) if words else state
        return state

    async def _write_status(self, key: Key) -> None:
        kept = self._ingresses.store.get(key)
        if kept is None or not self._ours(kept):
            return
        generation = int(kept.raw["metadata"].get("generation", 1))
        readiness = self._readiness(key, kept)
        status = status_of(generation, readiness, self._balancers, kept.status, moment())
        await set_status(self._client, resources.INGRESSES, kept.raw, status)
        told = turned(kept.status, status)
        if told:
            self._events.record(kept.raw, *told)

    def _ours(self, kept: Kept) -> bool:
        return kept.ingress_class == self.gateway.plane.backend.ingress_class

    def _readiness(self, key: Key, kept: Kept) -> Readiness:
        if kept.typed is None:
            return Readiness(State.FAILED, kept.problem)
        published = self._world.ingresses.get(key)
        if published is None or routing(published) != routing(kept.typed):
            return Readiness(State.WAITING)
        state = self._state(key)
        problem = self._problems.get(key)
        return replace(state, reason=problem) if state.state is State.FAILED and problem else state


def _is_ready(found: Readiness | None) -> bool:
    return found is not None and found.state is State.READY
