"""Services: a Configuration and a Route follow from each (facts/serving.md 48)."""

from __future__ import annotations

from knet.control.serving.loop import Loop, ReconcileError, now, plain, typed, unsaid
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import label
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.model.serving import SERVICE_LABEL, Configuration, KService, Revision, Route
from knet.serving.service_status import ServiceOutcome, ServiceWorld, reconcile


class Services(Loop):
    """Reconciles Knative's Services."""

    resource = resources.KSERVICES
    component = "service-controller"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.owning(resources.CONFIGURATIONS, resources.ROUTES)
        cluster.on(resources.REVISIONS, self._revision_changed)

    def _revision_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """A name that a template wants may have become free, or taken."""
        if old and new:
            return
        for item in (old, new):
            if item and (name := label(item, SERVICE_LABEL)):
                self.queue.add((key[0], name))

    async def reconcile(self, item: Object) -> float | None:
        service = typed(KService, item)
        world = self._world(service)
        out = reconcile(service, world, now())
        written = await self._write(out, world)
        if written != world:
            events = out.events
            out = reconcile(service, written, now())
            out.events = events
            # a Route that had to wait for its Configuration's first look is asked for by that look
        self.tell(item, out.events)
        await set_status(self.client, self.resource, item, out.status)
        if out.error:
            raise ReconcileError("/".join(service.key) + f": {out.error}")
        return None

    def _world(self, service: KService) -> ServiceWorld:
        configuration = self.cluster.get(resources.CONFIGURATIONS, service.key)
        route = self.cluster.get(resources.ROUTES, service.key)
        name = service.spec.template.metadata.name
        named = self.cluster.get(resources.REVISIONS, (service.metadata.namespace, name)) if name else None
        return ServiceWorld(
            typed(Configuration, configuration) if configuration else None,
            typed(Route, route) if route else None,
            typed(Revision, named) if named else None,
        )

    async def _write(self, out: ServiceOutcome, world: ServiceWorld) -> ServiceWorld:
        """The world as it is once the children are written."""
        configuration, route = world.configuration, world.route
        if out.configuration is not None:
            made = await self._ensure(resources.CONFIGURATIONS, out.configuration)
            configuration = typed(Configuration, made)
        if out.route is not None:
            route = typed(Route, await self._ensure(resources.ROUTES, out.route))
        return ServiceWorld(configuration, route, world.named)

    async def _ensure(self, kind: Resource, wanted: Configuration | Route) -> Object:
        return await self.ensure(kind, unsaid(plain(wanted, kind)))
