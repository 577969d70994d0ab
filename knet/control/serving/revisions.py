"""Revisions: a Deployment, a PodAutoscaler and Images follow from each (facts/serving.md 47)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from knet.control.serving.loop import Loop, ReconcileError, now, typed
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import label
from knet.kube.sync import Key
from knet.model.serving import REVISION_LABEL, Revision
from knet.serving.revision import Digests, RevisionOutcome, RevisionWorld, reconcile
from knet.serving.revision_defaults import settled
from knet.serving.revision_names import deployment_name
from knet.serving.settings import Settings


class Resolver(Protocol):
    """Finds out what the images of revisions are, behind everybody's back."""

    def on_news(self, handler: Callable[[Key], None]) -> None:
        """Has every revision told whose images are known now."""

    def digests(self, revision: Revision) -> Digests:
        """What is known by now; asks for the rest."""
        ...

    def forget(self, key: Key) -> None:
        """A revision is gone."""

    async def run(self) -> None:
        """Works until cancelled."""


class Unresolved:
    """Leaves tags as they are: on an embedded node images are commands, and no registry knows of them."""

    def on_news(self, handler: Callable[[Key], None]) -> None:
        """There is never any."""

    def digests(self, revision: Revision) -> Digests:
        """Nothing, for every container."""
        spec = revision.spec
        return Digests({c["name"]: "" for c in (*spec.containers, *spec.init_containers)})

    def forget(self, key: Key) -> None:
        """Nothing was remembered."""

    async def run(self) -> None:
        """There is nothing to do."""


class Revisions(Loop):
    """Reconciles Revisions."""

    resource = resources.REVISIONS
    component = "revision-controller"
    lag = 0.05

    def __init__(
        self, cluster: Cluster, settings: Callable[[], Settings], resolver: Resolver | None = None
    ) -> None:
        """`settings` are those that count now."""
        self._settings = settings
        self._resolver = resolver or Unresolved()
        self._pods = cluster.index(resources.PODS, _by_revision)
        self._images = cluster.index(resources.IMAGES, _by_revision)
        super().__init__(cluster)
        self.owning(resources.DEPLOYMENTS, resources.POD_AUTOSCALERS, resources.IMAGES)
        cluster.on(resources.PODS, self._pod_changed)
        cluster.on(self.resource, self._gone)
        self._resolver.on_news(self.queue.add)

    async def run(self, workers: int = 8) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resolver.run())
            group.create_task(super().run(workers))

    def _gone(self, key: Key, _: Object | None, new: Object | None) -> None:
        if new is None:
            self._resolver.forget(key)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """Pods matter by how they fail; their Deployment tells when they are well."""
        for item in (old, new):
            if item and (name := label(item, REVISION_LABEL)):
                self.queue.add_after((key[0], name), self.lag)

    async def reconcile(self, item: Object) -> float | None:
        revision = settled(typed(Revision, item), self._settings())
        world = self._world(revision)
        out = reconcile(revision, world, now())
        await self._write(out, world)
        self.tell(item, out.events)
        await set_status(self.client, self.resource, item, out.status)
        if out.error:
            raise ReconcileError(out.error)
        return None

    def _world(self, revision: Revision) -> RevisionWorld:
        namespace, name = revision.key
        mine = f"{namespace}/{name}"
        pods = [p for p in self._pods.get(mine).values() if not p["metadata"].get("deletionTimestamp")]
        pods.sort(key=lambda p: str(p["metadata"].get("creationTimestamp", "")), reverse=True)
        return RevisionWorld(
            self._settings(),
            self._resolver.digests(revision),
            self.cluster.get(resources.DEPLOYMENTS, (namespace, deployment_name(name))),
            pods,
            self.cluster.get(resources.POD_AUTOSCALERS, (namespace, name)),
            frozenset(key[1] for key in self._images.get(mine)),
        )

    async def _write(self, out: RevisionOutcome, world: RevisionWorld) -> None:
        if out.deployment is not None:
            if world.deployment is None:
                await self.client.create(resources.DEPLOYMENTS, out.deployment)
            else:  # how many pods there are is the autoscaler's to say, or somebody's by hand
                spec = {k: v for k, v in out.deployment["spec"].items() if k not in ("replicas", "selector")}
                await self.ensure(resources.DEPLOYMENTS, {**out.deployment, "spec": spec})
        if out.autoscaler is not None:
            if world.autoscaler is not None and world.autoscaler["spec"].get("reachability"):
                out.autoscaler["spec"].setdefault("reachability", "")
            await self.ensure(resources.POD_AUTOSCALERS, out.autoscaler)
        for image in out.images:
            await self.ensure(resources.IMAGES, image)


def _by_revision(item: Object) -> Iterable[str]:
    name = label(item, REVISION_LABEL)
    return (f"{item['metadata']['namespace']}/{name}",) if name else ()
