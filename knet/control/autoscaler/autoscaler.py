"""All of the autoscaler in one process, on one set of informers."""

from __future__ import annotations

import asyncio
from functools import cached_property

from knet.control.autoscaler import hpas, podautoscalers, pods
from knet.control.autoscaler.buckets import Buckets
from knet.control.autoscaler.decisions import Decider
from knet.control.autoscaler.engine import Engine
from knet.control.autoscaler.podautoscalers import PodAutoscalers, Settings
from knet.control.serving.configs import Configs
from knet.control.serving.loop import Loop
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.cluster import Cluster
from knet.kube.informer import Informer
from knet.kube.sync import Key
from knet.model import config_deployment
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving.config_maps import AUTOSCALER, PARSERS


class Autoscaler:
    """Belongs to one event loop."""

    def __init__(
        self, client: Client, *, decider: Decider | None = None, buckets: Buckets | None = None
    ) -> None:
        """`decider` stands in for the engine; without `buckets` all revisions are this process's."""
        # other namespaces' maps are not ours to read
        maps = Informer(client, resources.CONFIG_MAPS, namespace=SYSTEM_NAMESPACE)
        kinds = (*podautoscalers.KINDS, *hpas.KINDS, maps, pods.informer(client))
        self.cluster = Cluster(client, kinds)
        self.population = pods.Population()
        self.cluster.on(resources.PODS, self.population.change)
        self.configs = Configs(self.cluster)
        self.configs.on_change(self._reconfigured)
        self.engine = Engine(self.cluster, self.population)
        self._decider: Decider = decider or self.engine
        self._buckets = buckets
        self._settings: Settings | None = None
        if buckets is not None:
            buckets.on_change(self._divided)

    @cached_property
    def podautoscalers(self) -> PodAutoscalers:
        return PodAutoscalers(self.cluster, self.population, self._decider, self.settings, self.owns)

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        return (
            self.podautoscalers,
            hpas.HpaPodAutoscalers(self.cluster, self.population, self.settings, self.owns),
        )

    def owns(self, key: Key) -> bool:
        """Whether a revision is this process's to scale."""
        return self._buckets is None or self._buckets.owns(key)

    def settings(self) -> Settings:
        """Those that count now."""
        if self._settings is None:
            data = self.configs.data
            deployment = config_deployment.parse(data.get(config_deployment.NAME, {}))
            self._settings = Settings(
                PARSERS[AUTOSCALER](data.get(AUTOSCALER, {})), deployment.progress_deadline // 10**6
            )
        return self._settings

    def _reconfigured(self) -> None:
        self._settings = None
        self._everything()

    def _divided(self) -> None:
        """Buckets came or went: what is another's is let go, what is new is begun afresh."""
        self.engine.forget_all(lambda key: not self.owns(key))
        self._everything()

    def _everything(self) -> None:
        for loop in self.loops:
            loop.everything()

    async def run(self) -> None:
        """Follows the API until cancelled."""
        loops = self.loops  # their handlers have to be there before the first list
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.run())
            await self.cluster.synced()
            for loop in loops:
                group.create_task(loop.run())
            group.create_task(self.engine.run())
            if self._buckets is not None:
                group.create_task(self._buckets.run())
