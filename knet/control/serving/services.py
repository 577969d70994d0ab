"""Services: a Configuration and a Route follow from each (facts/serving.md 48)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from knet.control.serving.loop import Loop, ReconcileError, now, plain, typed, unsaid
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import label
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.model.serving import SERVICE_LABEL, Configuration, KService, Revision, Route
from knet.serving.chain import KSERVICE, Held, Link, service_chain
from knet.serving.living import ready_of
from knet.serving.service_status import ServiceOutcome, ServiceWorld, reconcile
from knet.serving.waiting import AFTER_S, pause


class Services(Loop):
    """Reconciles Knative's Services."""

    resource = resources.KSERVICES
    component = "service-controller"

    def __init__(self, cluster: Cluster) -> None:
        self._pods = cluster.index(resources.PODS, _by_service)
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
        waited = _waited(service)
        if waited >= AFTER_S and ready_of(out.status).get("status") == "Unknown":
            chain = service_chain(self._held(service), service.key)
            last = await self._last_event(chain.culprit, service.metadata.namespace)
            events = out.events
            out = reconcile(service, written, now(), chain, last)
            out.events = events
        self.tell(item, out.events)
        await set_status(self.client, self.resource, item, out.status)
        if out.error:
            raise ReconcileError(out.error)
        return pause(waited) if ready_of(out.status).get("status") == "Unknown" else None

    def _held(self, service: KService) -> Held:
        """What the chain of a Service is made of."""
        kinds = {kind.kind: kind for kind in _CHAIN} | {KSERVICE: self.resource}
        held = {name: self.cluster.store(kind) for name, kind in kinds.items()}
        return {**held, "Pod": self._pods.get("/".join(service.key))}

    async def _last_event(self, culprit: Link | None, namespace: str) -> str:
        """What kubelet last warned of, if a pod is to blame: the probe, and what it was answered."""
        if culprit is None or culprit.kind != "Pod":
            return ""
        fields = f"involvedObject.kind=Pod,involvedObject.name={culprit.name},type=Warning"
        listed = await self.client.list(resources.EVENTS, namespace, fields=fields)
        found = sorted(listed.items, key=lambda e: str(e.get("lastTimestamp") or ""))
        return str(found[-1].get("message", "")) if found else ""

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


_CHAIN = (
    resources.CONFIGURATIONS,
    resources.ROUTES,
    resources.REVISIONS,
    resources.INGRESSES,
    resources.DEPLOYMENTS,
    resources.POD_AUTOSCALERS,
    resources.SERVERLESS_SERVICES,
    resources.CERTIFICATES,
)


def _by_service(item: Object) -> Iterable[str]:
    name = label(item, SERVICE_LABEL)
    return (f"{item['metadata']['namespace']}/{name}",) if name else ()


def _waited(service: KService) -> float:
    """For how many seconds a Service has not been ready; 0 if it is."""
    ready = ready_of(service.status)
    if ready.get("status") == "True":
        return 0.0
    observed = service.status.get("observedGeneration") == service.metadata.generation
    since = ready.get("lastTransitionTime") if observed else None
    text = str(since or service.metadata.creation_timestamp)
    if not text:
        return 0.0
    return max((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds(), 0.0)
