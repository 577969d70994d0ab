"""Revisions and Configurations say which Routes lead to them, and old revisions go (config-gc)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from knet.control.serving.loop import Loop, now, typed
from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.errors import NotFound
from knet.kube.objects import label
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.model.meta import ObjectMeta
from knet.model.serving import CONFIGURATION_LABEL, Configuration, Revision, Route
from knet.serving.garbage import collect
from knet.serving.living import Event
from knet.serving.revision_names import ROUTES
from knet.serving.routing_state import (
    configuration_patch,
    listed,
    named,
    revision_patch,
    routes_of_configuration,
    routes_of_revision,
    service_of,
    settled,
)
from knet.serving.settings import Settings


class Labels(Loop):
    """Looks at one Configuration with all its revisions at a time."""

    resource = resources.CONFIGURATIONS
    component = "labeler-controller"

    def __init__(self, cluster: Cluster, settings: Callable[[], Settings]) -> None:
        """`settings` are those that count now."""
        self._settings = settings
        self._revisions = cluster.index(resources.REVISIONS, _by_configuration)
        self._routes = cluster.index(resources.ROUTES, _names)
        self._listing = cluster.index(resources.CONFIGURATIONS, _listed)
        super().__init__(cluster)
        cluster.on(resources.REVISIONS, self._revision_changed)
        cluster.on(resources.ROUTES, self._route_changed)

    def _revision_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            if item and (name := label(item, CONFIGURATION_LABEL)):
                self.queue.add((key[0], name))

    def _route_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            for name in _names(item) if item else ():
                self._ask(key[0], name.rpartition("/")[2])
        for configuration in self._listing.get("/".join(key)):  # it may have left some of them
            self.queue.add(configuration)

    def _ask(self, namespace: str, name: str) -> None:
        """The name is a Configuration's, or a revision's of one."""
        if self.cluster.get(self.resource, (namespace, name)):
            self.queue.add((namespace, name))
        revision = self.cluster.get(resources.REVISIONS, (namespace, name))
        if revision is not None and (owner := label(revision, CONFIGURATION_LABEL)):
            self.queue.add((namespace, owner))

    async def reconcile(self, item: Object) -> float | None:
        configuration = typed(Configuration, item)
        namespace, name = configuration.key
        service = service_of(configuration)
        if service and self.cluster.get(resources.ROUTES, (namespace, service)) is None:
            return None  # its Route is being made: only then it is known what leads where
        held = self._revisions.get(f"{namespace}/{name}")
        revisions = {key[1]: typed(Revision, one) for key, one in held.items()}
        routes = self._leading(namespace, (name, *revisions))
        of = {
            target.revision_name: self._configuration_of(namespace, target.revision_name)
            for route in routes
            for target in named(route)
        }
        found = {
            r.metadata.name: routes_of_revision(r, routes, configuration, of) | self._unsettled(r.metadata)
            for r in revisions.values()
        }
        for revision in revisions.values():
            patch = revision_patch(revision.metadata, found[revision.metadata.name], now())
            await self._patch(resources.REVISIONS, revision.key, patch)
        follow = routes_of_configuration(name, routes, of) | self._unsettled(configuration.metadata)
        patch = configuration_patch(configuration.metadata, follow)
        await self._patch(self.resource, configuration.key, patch)
        return await self._collect(item, configuration, revisions, {n for n, by in found.items() if by})

    async def _collect(
        self, item: Object, configuration: Configuration, revisions: dict[str, Revision], used: set[str]
    ) -> float | None:
        garbage = collect(configuration, revisions.values(), used, self._settings().gc, time.time_ns())
        namespace = configuration.metadata.namespace
        await self.remove(resources.REVISIONS, garbage.names, namespace)
        told = (
            Event("Normal", "RevisionCollected", f'Deleted old Revision "{n}" (config-gc)')
            for n in garbage.names
        )
        self.tell(item, told)
        return garbage.again

    def _leading(self, namespace: str, names: Iterable[str]) -> list[Route]:
        """The Routes that have one of these names in their traffic."""
        found = {key: item for name in names for key, item in self._routes.get(f"{namespace}/{name}").items()}
        return [
            typed(Route, item) for item in found.values() if not item["metadata"].get("deletionTimestamp")
        ]

    def _unsettled(self, meta: ObjectMeta) -> frozenset[str]:
        """The Routes that an object lists and that may still lead to it, though they no longer name it."""
        held = {name: self.cluster.get(resources.ROUTES, (meta.namespace, name)) for name in listed(meta)}
        there = {
            n: item for n, item in held.items() if item and not item["metadata"].get("deletionTimestamp")
        }
        return frozenset(name for name, item in there.items() if not settled(typed(Route, item)))

    def _configuration_of(self, namespace: str, revision: str) -> str:
        held = self.cluster.get(resources.REVISIONS, (namespace, revision))
        return label(held, CONFIGURATION_LABEL) if held else ""

    async def _patch(self, kind: Resource, key: Key, patch: Object | None) -> None:
        if patch is None:
            return
        try:
            await self.client.patch(kind, key[1], patch, key[0])
        except NotFound:  # it went meanwhile: there is nobody left to say anything
            return


def _by_configuration(item: Object) -> Iterable[str]:
    name = label(item, CONFIGURATION_LABEL)
    return (f"{item['metadata']['namespace']}/{name}",) if name else ()


def _names(item: Object) -> Iterable[str]:
    """Every name in a Route's traffic, as it is to be and as it is."""
    namespace = item["metadata"]["namespace"]
    spec, status = item.get("spec") or {}, item.get("status") or {}
    entries = (*(spec.get("traffic") or ()), *(status.get("traffic") or ()))
    found = {e.get(key) for e in entries for key in ("configurationName", "revisionName")}
    return [f"{namespace}/{name}" for name in sorted(filter(None, found))]


def _listed(item: Object) -> Iterable[str]:
    """Every Route that a Configuration says it is named by."""
    names = (item["metadata"].get("annotations") or {}).get(ROUTES, "").split(",")
    return [f"{item['metadata']['namespace']}/{name}" for name in names if name]
