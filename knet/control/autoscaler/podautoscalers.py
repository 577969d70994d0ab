"""PodAutoscalers of the KPA's class: ServerlessService, Metric, replicas and status follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from knet.control.autoscaler.decisions import Decider
from knet.control.autoscaler.pods import Population
from knet.control.autoscaler.probe import probe
from knet.control.serving.loop import Loop, ReconcileError, once
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.errors import NotFound
from knet.kube.objects import controller_of, label, notes
from knet.kube.sync import Key
from knet.model.autoscaling import PROXY, PodAutoscaler, pod_autoscaler, serverless_service
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import REVISION_LABEL
from knet.scaling.account import Outcome
from knet.scaling.config import KPA_CLASS, Config
from knet.scaling.scaler import Probe, limits
from knet.scaling.spec import PREFIX
from knet.serving.conditions import TRUE
from knet.serving.podautoscaler import (
    INITIALIZED,
    Around,
    Decision,
    Made,
    asks,
    kpa,
    reconcile,
    spec_of,
)
from knet.serving.serverless import ACTIVATOR

KINDS = (
    resources.POD_AUTOSCALERS,
    resources.SERVERLESS_SERVICES,
    resources.METRICS,
    resources.DEPLOYMENTS,
    resources.ENDPOINTS,
)
_CLASS = PREFIX + "class"
_PROBE_AGAIN_S = 1.0
_CALLED = {"ServerlessService": "SKS", "Metric": "Metric"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts now: config-autoscaler, and the cluster's progress deadline (ms)."""

    autoscaler: Config = Config()  # noqa: RUF009 - frozen
    deadline_ms: int = 600_000


class PodAutoscalers(Loop):
    """Reconciles PodAutoscalers. `owns` says which are this process's to scale."""

    resource = resources.POD_AUTOSCALERS
    lag = 0.05

    def __init__(
        self,
        cluster: Cluster,
        population: Population,
        decider: Decider,
        settings: Callable[[], Settings],
        owns: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        self._population = population
        self._decider = decider
        self._settings = settings
        self._owns = owns
        self._outcomes: dict[Key, Outcome] = {}
        self._waking: set[Key] = set()
        self._by_target = cluster.index(resources.POD_AUTOSCALERS, _target)
        super().__init__(cluster)
        self.owning(resources.SERVERLESS_SERVICES, resources.METRICS)
        cluster.on(resources.POD_AUTOSCALERS, self._gone)
        cluster.on(resources.DEPLOYMENTS, self._target_changed)
        # a PodAutoscaler is named as its revision
        population.on_change(lambda key: self.queue.add_after(key, self.lag))
        decider.on_change(self.queue.add)

    def _gone(self, key: Key, _: Object | None, new: Object | None) -> None:
        if new is None:
            self._decider.forget(key)
            self._outcomes.pop(key, None)
            self._waking.discard(key)

    def outcome(self, key: Key) -> Outcome | None:
        """What came of the last decision about a revision."""
        return self._outcomes.get(key)

    def _target_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old and new and old["spec"].get("replicas") == new["spec"].get("replicas"):
            return
        for pa in self._by_target.get("/".join(key)):
            self.queue.add_after(pa, self.lag)

    async def reconcile(self, item: Object) -> float | None:
        pa = once(pod_autoscaler, item)
        if not self._owns(pa.key) or class_of(item, self._settings().autoscaler) != KPA_CLASS:
            return None
        around = self._around(pa, label(item, REVISION_LABEL))
        now = datetime.now(UTC).replace(microsecond=0)  # as exact as the times in conditions are
        found = await self._probe(pa) if asks(pa, around, now) else Probe.OK
        made = reconcile(pa, around, now, found)
        self._outcomes[pa.key] = _outcome(pa, around, made)
        if made.replicas is not None:
            await self._scale(pa, made.replicas)
            if around.replicas == 0 and pa.key not in self._waking:
                # somebody waits for the pod that follows: the rest is told a moment later
                self._waking.add(pa.key)
                return self.lag
        self._waking.discard(pa.key)
        if made.metric is not None:
            await self.ensure(resources.METRICS, made.metric)
        if made.sks is not None:
            await self.ensure(resources.SERVERLESS_SERVICES, made.sks)
        await set_status(self.client, self.resource, item, made.status)
        if around.foreign:
            what, name = _CALLED[around.foreign], pa.metadata.name
            raise ReconcileError(f"error reconciling {what}: PA: {name} does not own {what}: {name}")
        if made.scale is not None and made.scale.probe_later:
            return _PROBE_AGAIN_S
        return None if made.again_ms is None else made.again_ms / 1000

    def _around(self, pa: PodAutoscaler, revision: str) -> Around:
        settings, namespace = self._settings(), pa.metadata.namespace
        sks = self.cluster.get(resources.SERVERLESS_SERVICES, pa.key)
        target = self.cluster.get(resources.DEPLOYMENTS, (namespace, pa.spec.scale_target_ref.name))
        around = Around(
            settings.autoscaler,
            once(serverless_service, sks) if sks else None,
            Decision(),
            target["spec"].get("replicas") if target else None,
            self._population.counts((namespace, revision)).ready,
            settings.deadline_ms,
            self._foreign(pa),
        )
        spec = spec_of(pa, around)
        if spec is None or around.foreign:
            return around
        return replace(around, decision=self._decider.update(pa.key, spec, around.ready))

    def _foreign(self, pa: PodAutoscaler) -> str:
        for kind in (resources.SERVERLESS_SERVICES, resources.METRICS):
            found = self.cluster.get(kind, pa.key)
            if found is not None and controller_of(found, self.resource.kind) != pa.metadata.name:
                return kind.kind
        return ""

    async def _probe(self, pa: PodAutoscaler) -> Probe:
        public = self.cluster.get(resources.ENDPOINTS, pa.key)
        activators = self.cluster.get(resources.ENDPOINTS, (SYSTEM_NAMESPACE, ACTIVATOR))
        return await probe(public, activators, pa.key)

    async def _scale(self, pa: PodAutoscaler, replicas: int) -> None:
        """Sets the replicas of the scale target, through its scale subresource as upstream does."""
        patch = [{"op": "add", "path": "/spec/replicas", "value": replicas}]
        namespace, name = pa.metadata.namespace, pa.spec.scale_target_ref.name
        try:
            await self.client.patch(
                resources.DEPLOYMENTS, name, patch, namespace, kind="json", subresource="scale"
            )
        except NotFound:
            return  # it is not made yet, or goes: whoever makes it says how many at first


def _outcome(pa: PodAutoscaler, around: Around, made: Made) -> Outcome:
    initialized = made.conditions.status(INITIALIZED) == TRUE
    spec: Object = made.sks["spec"] if made.sks is not None else {"mode": PROXY}
    return Outcome(
        *limits(kpa(pa), around.config, initialized),
        initialized,
        around.replicas if made.replicas is None else made.replicas,
        spec["mode"],
        spec.get("numActivators", 0),
        made.scale,
    )


def class_of(item: Object, config: Config) -> str:
    """The class of a PodAutoscaler."""
    return notes(item).get(_CLASS) or config.pod_autoscaler_class


def _target(item: Object) -> Iterable[str]:
    name = ((item.get("spec") or {}).get("scaleTargetRef") or {}).get("name", "")
    return (f"{item['metadata']['namespace']}/{name}",)
