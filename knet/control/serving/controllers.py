"""All controllers of Serving in one process, on one set of informers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import cached_property

from knet.control.serving.certificates import Certificates
from knet.control.serving.configs import Configs
from knet.control.serving.configurations import Configurations
from knet.control.serving.digests import Resolver as Digests
from knet.control.serving.labels import Labels
from knet.control.serving.loop import Loop
from knet.control.serving.mappings import DomainMappings
from knet.control.serving.revisions import Resolver, Revisions
from knet.control.serving.routes import Routes
from knet.control.serving.serverless import ServerlessServices
from knet.control.serving.services import Services
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.cluster import Cluster
from knet.kube.informer import Informer
from knet.model import features, network, network_domain
from knet.model.serving import REVISION_LABEL
from knet.serving.settings import Settings, settings

KINDS = (
    resources.CONFIG_MAPS,
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
)

CHECKS = {
    network.NAME: network.parse,
    network_domain.NAME: network_domain.parse,
    features.NAME: features.parse,
}


class Serving:
    """Belongs to one event loop."""

    def __init__(
        self,
        client: Client,
        only: Collection[type[Loop]] = (),
        resolver: Resolver | None = None,
        insecure: Collection[str] = (),
    ) -> None:
        """`only`: the loops to run; none means all of them. `resolver` None: tags are asked of registries, of those
        in `insecure` without TLS.
        """
        self._only = frozenset(only)
        self._resolver = resolver or Digests(client, self.settings, insecure)
        pods = Informer(client, resources.PODS, labels=REVISION_LABEL)
        self.cluster = Cluster(client, (*KINDS, pods))
        self.configs = Configs(self.cluster, CHECKS)
        self.configs.on_change(self._reconfigured)
        self._settings: Settings | None = None

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
            Certificates: lambda: Certificates(cluster),
            ServerlessServices: lambda: ServerlessServices(cluster),
        }
        return tuple(make() for kind, make in makers.items() if not self._only or kind in self._only)

    def settings(self) -> Settings:
        """Those that count now."""
        if self._settings is None:
            self._settings, _ = settings(self.configs.world())
        return self._settings

    def _reconfigured(self) -> None:
        self._settings = None
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
            for loop in self.loops:
                group.create_task(loop.run())
