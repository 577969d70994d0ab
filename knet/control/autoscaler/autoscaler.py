"""All of the autoscaler in one process, on one set of informers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property

from knet import checks
from knet.control.autoscaler import podautoscalers, pods
from knet.control.autoscaler.decisions import Decider, Hold
from knet.control.autoscaler.podautoscalers import PodAutoscalers, Settings
from knet.control.serving.configs import Check, Configs
from knet.control.serving.loop import Loop
from knet.errors import Diagnostic, ObjectRef
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.cluster import Cluster
from knet.model import config_deployment
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving.config_maps import AUTOSCALER, PARSERS


def _check(name: str) -> Check:
    """Tells what is wrong with a map, in Knative's words."""
    parse = PARSERS[name]

    def check(data: Mapping[str, str]) -> tuple[object, tuple[Diagnostic, ...]]:
        try:
            return parse(data), ()
        except ValueError as error:
            about = ObjectRef("ConfigMap", SYSTEM_NAMESPACE, name)
            return None, (checks.BAD_CONFIG(str(error), about=about, field="data"),)

    return check


CHECKS = {name: _check(name) for name in (AUTOSCALER, config_deployment.NAME)}


class Autoscaler:
    """Belongs to one event loop."""

    def __init__(self, client: Client, decider: Decider | None = None) -> None:
        """`decider` None: nothing is decided, revisions stay at their initial scale."""
        self.cluster = Cluster(client, (*podautoscalers.KINDS, pods.informer(client)))
        self.population = pods.Population()
        self.cluster.on(resources.PODS, self.population.change)
        self.configs = Configs(self.cluster, CHECKS)
        self.configs.on_change(self._reconfigured)
        self._decider = decider or Hold()
        self._settings: Settings | None = None

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        return (PodAutoscalers(self.cluster, self.population, self._decider, self.settings),)

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
