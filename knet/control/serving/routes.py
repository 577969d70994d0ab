"""Routes: placeholder Services, certificates and the KIngress follow from them (facts/serving.md 38 to 44)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from knet.control.serving.loop import Loop, ReconcileError, plain, unsaid
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import label
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.model import core, kingress, network_certificate, serving
from knet.model.core import Endpoints, Service
from knet.model.kingress import KIngress
from knet.model.network_certificate import Certificate
from knet.model.serving import ROUTE_LABEL, Configuration, Revision, Route
from knet.serving import wildcards
from knet.serving.domains import DomainError, Domains
from knet.serving.living import Event
from knet.serving.placeholders import replaced
from knet.serving.route import RouteOutcome, RouteWorld, reconcile
from knet.serving.settings import Settings
from knet.serving.traffic import DEFAULT, Known, configuration_state, revision_state

T = TypeVar("T")


class Routes(Loop):
    """Reconciles Routes."""

    resource = resources.ROUTES
    component = "route-controller"

    def __init__(self, cluster: Cluster, settings: Callable[[], Settings]) -> None:
        """`settings` are those that count now."""
        self._settings = settings
        self._targeting = cluster.index(resources.ROUTES, _targets)
        self._placeholders = cluster.index(resources.SERVICES, _by_route)
        self._certificates = cluster.index(resources.CERTIFICATES, _by_route)
        self._wildcards = cluster.index(resources.CERTIFICATES, _by_domain)
        self._neighbours = cluster.index(resources.ROUTES, _namespace)
        super().__init__(cluster)
        self.owning(resources.INGRESSES, resources.SERVICES, resources.ENDPOINTS, resources.CERTIFICATES)
        cluster.on(resources.CONFIGURATIONS, self._target_changed)
        cluster.on(resources.REVISIONS, self._target_changed)
        cluster.on(resources.CERTIFICATES, self._wildcard_changed)

    def _target_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old and new and old.get("status") == new.get("status") and _labels(old) == _labels(new):
            return
        for route in self._targeting.get("/".join(key)):
            self.queue.add(route)

    def _wildcard_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if any(item is not None and label(item, wildcards.LABEL) for item in (old, new)):
            for route in self._neighbours.get(key[0]):
                self.queue.add(route)

    async def reconcile(self, item: Object) -> float | None:
        route = _typed(item)
        out = reconcile(route, self._world(route), time.time_ns())
        await self._write(route, out)
        self.tell(item, map(Event.read, out.events))
        await set_status(self.client, self.resource, item, out.status)
        if out.error:
            raise ReconcileError(out.error)
        return out.requeue / 1e9 if out.requeue else None

    def _world(self, route: Route) -> RouteWorld:
        meta = route.metadata
        mine = f"{meta.namespace}/{meta.name}"
        ingress = self.cluster.get(resources.INGRESSES, route.key)
        settings = self._settings()
        held = {key[1]: item for key, item in self._placeholders.get(mine).items()}
        for name in _names(route, settings):  # one that is in the way has no label of ours
            if found := self.cluster.get(resources.SERVICES, (meta.namespace, name)):
                held[name] = found
        services = {name: _as(Service, item) for name, item in held.items()}
        endpoints = {
            name: _as(Endpoints, there)
            for name in services
            if (there := self.cluster.get(resources.ENDPOINTS, (meta.namespace, name)))
        }
        certificates = {key[1]: _certificate(item) for key, item in self._certificates.get(mine).items()}
        domain = settings.domains.lookup(meta.labels)
        shared = sorted(self._wildcards.get(f"{meta.namespace}/{domain}").items())
        return RouteWorld(
            settings,
            self.known(meta.namespace),
            kingress.parse(ingress) if ingress else None,
            services,
            endpoints,
            certificates,
            tuple(_certificate(item) for _, item in shared),
        )

    def known(self, namespace: str) -> Known:
        """What the namespace has to offer."""
        return Known(
            _Lazy(
                namespace,
                self.cluster.store(resources.CONFIGURATIONS),
                lambda item: configuration_state(_of(Configuration, item)),
            ),
            _Lazy(
                namespace,
                self.cluster.store(resources.REVISIONS),
                lambda item: revision_state(_of(Revision, item)),
            ),
        )

    async def _write(self, route: Route, out: RouteOutcome) -> None:
        namespace = route.metadata.namespace
        for kind, name in out.removed:
            await self.remove(_KINDS[kind], [name], namespace)
        for name, service in out.services.items():
            await self._place(name, service)
        for endpoints in out.endpoints.values():
            await self.ensure(resources.ENDPOINTS, plain(endpoints, resources.ENDPOINTS))
        for certificate in out.certificates.values():
            await self.ensure(resources.CERTIFICATES, unsaid(plain(certificate, resources.CERTIFICATES)))
        if out.ingress is not None:
            await self.ensure(resources.INGRESSES, _ingress(out.ingress))

    async def _place(self, name: str, service: Service) -> None:
        before = self.cluster.get(resources.SERVICES, (service.metadata.namespace, name))
        if before is not None and replaced(_as(Service, before), service):
            await self.remove(resources.SERVICES, [name], service.metadata.namespace)
        await self.ensure(resources.SERVICES, unsaid(plain(service, resources.SERVICES)))


_KINDS: Mapping[str, Resource] = {
    "Service": resources.SERVICES,
    "Endpoints": resources.ENDPOINTS,
    "Certificate": resources.CERTIFICATES,
}


class _Lazy(Mapping[str, T]):
    """The objects of one namespace by name, read when they are asked for: there may be thousands."""

    def __init__(self, namespace: str, store: Mapping[Key, Object], read: Callable[[Object], T]) -> None:
        self._namespace = namespace
        self._store = store
        self._read = read

    def __getitem__(self, name: str) -> T:
        return self._read(self._store[self._namespace, name])

    def __iter__(self) -> Iterator[str]:
        return (name for namespace, name in self._store if namespace == self._namespace)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _names(route: Route, settings: Settings) -> Iterable[str]:
    """The names that the placeholder Services of a Route have."""
    domains = Domains(route.metadata, settings)
    for tag in {DEFAULT, *(t.tag for t in route.spec.traffic)}:
        with contextlib.suppress(DomainError):  # the reconcile itself says what is wrong
            yield domains.hostname(tag)


def _by_route(item: Object) -> Iterable[str]:
    name = label(item, ROUTE_LABEL)
    return (f"{item['metadata'].get('namespace', '')}/{name}",) if name else ()


def _by_domain(item: Object) -> Iterable[str]:
    domain = label(item, wildcards.LABEL)
    return (f"{item['metadata'].get('namespace', '')}/{domain}",) if domain else ()


def _namespace(item: Object) -> Iterable[str]:
    return (item["metadata"]["namespace"],)


def _targets(item: Object) -> Iterable[str]:
    namespace = item["metadata"]["namespace"]
    traffic: Iterable[Mapping[str, Any]] = (item.get("spec") or {}).get("traffic") or ()
    names = {t.get("configurationName") or t.get("revisionName") or "" for t in traffic}
    return [f"{namespace}/{name}" for name in names]


def _labels(item: Object) -> Any:
    return item["metadata"].get("labels")


def _typed(item: Object) -> Route:
    return _of(Route, item)


def _of(model: type[T], item: Object) -> T:
    found = serving.parse(item)
    if not isinstance(found, model):
        raise TypeError(f"{item['kind']} is no {model.__name__}")
    return found


def _as(model: type[T], item: Object) -> T:
    found = core.parse(item)
    if not isinstance(found, model):
        raise TypeError(f"{item['kind']} is no {model.__name__}")
    return found


def _certificate(item: Object) -> Certificate:
    return network_certificate.parse(item)


def _ingress(made: KIngress) -> Object:
    return unsaid(kingress.to_dict(made))
