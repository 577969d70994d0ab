"""PodAutoscalers of the HPA's class: Kubernetes scales them, we say by what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from knet.control.autoscaler.podautoscalers import Settings, class_of
from knet.control.autoscaler.pods import Population
from knet.control.serving.loop import Loop, ReconcileError, once
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import controller_of, label
from knet.kube.sync import Key
from knet.model.autoscaling import PodAutoscaler, pod_autoscaler, serverless_service
from knet.model.serving import REVISION_LABEL
from knet.serving.podautoscaler_hpa import HPA_CLASS, Around, reconcile

KINDS = (resources.HORIZONTAL_POD_AUTOSCALERS,)


class HpaPodAutoscalers(Loop):
    """Reconciles them. `owns` says which are this process's."""

    resource = resources.POD_AUTOSCALERS

    def __init__(
        self,
        cluster: Cluster,
        population: Population,
        settings: Callable[[], Settings],
        owns: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        self._population = population
        self._settings = settings
        self._owns = owns
        super().__init__(cluster)
        self.owning(resources.SERVERLESS_SERVICES, resources.HORIZONTAL_POD_AUTOSCALERS)
        population.on_change(self.queue.add)

    async def reconcile(self, item: Object) -> float | None:
        pa, config = once(pod_autoscaler, item), self._settings().autoscaler
        if not self._owns(pa.key) or class_of(item, config) != HPA_CLASS:
            return None
        hpa = self.cluster.get(resources.HORIZONTAL_POD_AUTOSCALERS, pa.key)
        sks = self.cluster.get(resources.SERVERLESS_SERVICES, pa.key)
        around = Around(
            config,
            once(serverless_service, sks) if sks else None,
            hpa,
            self._foreign(pa, hpa, sks),
            self._population.counts((pa.metadata.namespace, label(item, REVISION_LABEL))).ready,
        )
        made = reconcile(pa, around, datetime.now(UTC).replace(microsecond=0))
        if made.hpa is not None:
            await self.ensure(resources.HORIZONTAL_POD_AUTOSCALERS, made.hpa)
        if made.sks is not None:
            await self.ensure(resources.SERVERLESS_SERVICES, made.sks)
        await set_status(self.client, self.resource, item, made.status)
        if around.foreign:
            raise ReconcileError(f'{around.foreign} "{pa.metadata.name}" is somebody else\'s')
        return None

    def _foreign(self, pa: PodAutoscaler, *found: Object | None) -> str:
        kinds = (resources.HORIZONTAL_POD_AUTOSCALERS.kind, resources.SERVERLESS_SERVICES.kind)
        for kind, item in zip(kinds, found, strict=True):
            if item is not None and controller_of(item, self.resource.kind) != pa.metadata.name:
                return kind
        return ""
