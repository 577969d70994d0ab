"""All controllers of Serving in one process, on one set of informers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property

from knet.control import admission
from knet.control.admission import Asked, Policy, Verdict
from knet.control.serving.certificates import Certificates
from knet.control.serving.configs import Configs
from knet.control.serving.configurations import Configurations
from knet.control.serving.digests import Resolver as Digests
from knet.control.serving.internal import InternalCertificates
from knet.control.serving.labels import Labels
from knet.control.serving.loop import Loop
from knet.control.serving.mappings import DomainMappings
from knet.control.serving.namespaces import Namespaces
from knet.control.serving.revisions import Resolver, Revisions
from knet.control.serving.routes import Routes
from knet.control.serving.serverless import ServerlessServices
from knet.control.serving.services import Services
from knet.kube import resources
from knet.kube.client import Client, Object
from knet.kube.cluster import Cluster
from knet.kube.events import Recorder
from knet.kube.informer import Informer
from knet.kube.informers import Informers
from knet.kube.objects import controller
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import REVISION_LABEL
from knet.serving.settings import Settings, settings

KINDS = (
    resources.SECRETS,
    resources.SERVICES,
    resources.ENDPOINTS,
    resources.CONFIGURATIONS,
    resources.REVISIONS,
    resources.ROUTES,
    resources.DOMAIN_MAPPINGS,
    resources.CLUSTER_DOMAIN_CLAIMS,
    resources.CERTIFICATES,
    resources.KSERVICES,
    resources.INGRESSES,
    resources.SERVERLESS_SERVICES,
    resources.DEPLOYMENTS,
    resources.POD_AUTOSCALERS,
    resources.IMAGES,
    resources.NAMESPACES,
)


class Serving:
    """Belongs to one event loop."""

    def __init__(
        self,
        client: Client,
        only: Collection[type[Loop]] = (),
        resolver: Resolver | None = None,
        insecure: Collection[str] = (),
        shared: Informers | None = None,
    ) -> None:
        """`only`: the loops to run; none means all of them. `resolver` None: tags are asked of registries, of those
        in `insecure` without TLS. `shared` are informers that others in this process use too.
        """
        self._only = frozenset(only)
        self._resolver = resolver or Digests(client, self.settings, insecure)
        pods = (
            shared.get(resources.PODS) if shared else Informer(client, resources.PODS, labels=REVISION_LABEL)
        )
        # other namespaces' maps are not ours to read
        maps = Informer(client, resources.CONFIG_MAPS, namespace=SYSTEM_NAMESPACE)
        self.cluster = Cluster(client, (*KINDS, maps, pods), shared)
        self.configs = Configs(self.cluster, self._doubtful)
        self.configs.on_change(self._reconfigured)
        self._settings: Settings | None = None
        self._policy: Policy | None = None
        self._events = Recorder(client, "knet-config")

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        cluster, settings = self.cluster, self.settings
        makers: dict[type[Loop], Callable[[], Loop]] = {
            Services: lambda: Services(cluster),
            Configurations: lambda: Configurations(cluster),
            Revisions: lambda: Revisions(cluster, settings, self._resolver),
            Labels: lambda: Labels(cluster, settings),
            Routes: lambda: Routes(cluster, settings),
            DomainMappings: lambda: DomainMappings(cluster, settings),
            Namespaces: lambda: Namespaces(cluster, settings),
            Certificates: lambda: Certificates(cluster),
            InternalCertificates: lambda: InternalCertificates(cluster, settings),
            ServerlessServices: lambda: ServerlessServices(cluster),
        }
        return tuple(make() for kind, make in makers.items() if not self._only or kind in self._only)

    def settings(self) -> Settings:
        """Those that count now."""
        if self._settings is None:
            self._settings, _ = settings(self.configs.world())
        return self._settings

    def review(self, asked: Asked) -> Verdict:
        """What becomes of a write, by the ConfigMaps that count now. It only reads: another thread may ask."""
        policy = self._policy
        if policy is None:
            policy = self._policy = admission.policy(dict(self.configs.data))
        if asked.collection == admission.REVISIONS and asked.operation == "DELETE":
            meta, owner = asked.new["metadata"], controller(asked.new)
            above = self.cluster.get(resources.CONFIGURATIONS, (meta["namespace"], owner.get("name", "")))
            gone = above is None or bool(above["metadata"].get("deletionTimestamp"))
            asked = replace(asked, orphan=gone)
        return admission.review(asked, policy)

    def _doubtful(self, item: Object, why: str) -> None:
        self._events.record(item, "Warning", "InvalidConfiguration", why)

    def _reconfigured(self) -> None:
        self._settings = self._policy = None
        for loop in self.loops:
            loop.everything()

    async def run(self) -> None:
        """Follows the API and writes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow())
            group.create_task(self.write())

    async def follow(self) -> None:
        """Follows the API until cancelled. Every replica does, so that one that comes to lead need not read first."""
        self.loops  # noqa: B018 - their handlers have to be there before the first list
        await self.cluster.run()

    async def write(self) -> None:
        """Brings about what objects ask for, until cancelled. Only one replica does at a time."""
        await self.cluster.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            for loop in self.loops:
                group.create_task(loop.run())
