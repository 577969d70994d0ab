"""A PodAutoscaler of the KPA's class to its ServerlessService, Metric, scale and status. Pure.

Facts 22 to 30 of shared/facts/serving.md. What has to be asked of the network on the way, whether the activator
stands before the revision, is asked by the caller when `asks` says so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from knet.model.autoscaling import AUTOSCALING, NETWORKING, PROXY, SERVE, PodAutoscaler, ServerlessService
from knet.model.meta import controlled_by
from knet.scaling.config import Config
from knet.scaling.decider import number_of_activators
from knet.scaling.scaler import (
    UNDECIDED,
    Observed,
    Probe,
    Scale,
    limits,
    needs_probe,
    progress_deadline,
    scale,
)
from knet.scaling.spec import PREFIX, Spec, initial_scale, make_spec
from knet.scaling.spec import PodAutoscaler as Kpa
from knet.serving.conditions import FALSE, TRUE, UNKNOWN, Conditions
from knet.serving.serverless import ACTIVATED

Object = dict[str, Any]

ACTIVE, INITIALIZED, SKS_READY = "Active", "ScaleTargetInitialized", "SKSReady"
DEPENDENTS = (ACTIVE, INITIALIZED, SKS_READY)
FEWEST_ACTIVATORS = 2

NOT_OWNED = "NotOwned"
_METRIC = PREFIX + "metric"
_NO_PRIVATE = "No Private Service Name"
_BUFFERED = "Requests to the target are being buffered as resources are provisioned."
_NO_TRAFFIC = "The target is not receiving traffic."
_TIMED_OUT = "The target could not be activated."


@dataclass(frozen=True, slots=True)
class Decision:
    """What the decider last said: pods (-1: nothing yet) and how much burst the pods could take beyond."""

    desired: int = UNDECIDED
    excess: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """What a PodAutoscaler depends on. `replicas` are the scale target's (None: unset), `ready` its ready pods;
    `deadline_ms` is the cluster's progress deadline, `foreign` the kind of an object of its name that belongs to
    somebody else.
    """

    config: Config
    sks: ServerlessService | None = None
    decision: Decision = Decision()
    replicas: int | None = None
    ready: int = 0
    deadline_ms: int = 600_000
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What there is to be. `replicas` None: the scale target stays as it is. `metric` and `scale` are None
    before there is a private Service; nothing is made where a name is somebody else's. `again_ms`: when to look
    again (None: no need).
    """

    sks: Object | None
    metric: Object | None
    replicas: int | None
    status: Object
    conditions: Conditions
    scale: Scale | None = None
    again_ms: int | None = None


def kpa(pa: PodAutoscaler) -> Kpa:
    """What the KPA's rules read of it."""
    return Kpa(pa.metadata.annotations, pa.spec.container_concurrency, pa.spec.reachability)


def spec_of(pa: PodAutoscaler, around: Around) -> Spec | None:
    """What the decider and the windows are told; None before there is a private Service to ask pods by."""
    private = around.sks.private if around.sks else ""
    return make_spec(kpa(pa), around.config, private) if private else None


def asks(pa: PodAutoscaler, around: Around, now: dt.datetime) -> bool:
    """Whether `reconcile` has to know if the activator stands before the revision (fact 26)."""
    if spec_of(pa, around) is None:
        return False
    observed = _observed(pa, around, _conditions(pa, now), now)
    return needs_probe(around.decision.desired, kpa(pa), around.config, observed)


def reconcile(pa: PodAutoscaler, around: Around, now: dt.datetime, probe: Probe = Probe.OK) -> Made:
    """Everything that follows from a PodAutoscaler and its surroundings."""
    conditions = _conditions(pa, now)
    if around.foreign:
        conditions.false(ACTIVE, NOT_OWNED, not_owned(around.foreign, pa.metadata.name))
        return Made(None, None, None, left_alone(pa, conditions), conditions)
    spec = spec_of(pa, around)
    if spec is None or around.sks is None:
        conditions.unknown(SKS_READY, "NotReady", _NO_PRIVATE)
        wanted = make_sks(pa, PROXY, FEWEST_ACTIVATORS)
        return Made(wanted, None, None, _status(pa, around, conditions, UNDECIDED, 0), conditions)
    observed = _observed(pa, around, conditions, now)
    found = scale(around.decision.desired, kpa(pa), around.config, observed, probe)
    serves = found.want > 0 and around.decision.excess >= 0
    activators = number_of_activators(
        around.ready, spec.target_burst_capacity, spec.total_value, spec.activator_capacity
    )
    _mark_sks(conditions, around.sks)
    now_is = 1 if around.replicas is None else around.replicas
    return Made(
        make_sks(pa, SERVE if serves else PROXY, int(activators)),
        make_metric(pa, spec),
        found.want if found.apply and found.want != now_is else None,
        _status(pa, around, conditions, found.want, around.ready),
        conditions,
        found,
        found.again_ms,
    )


def not_owned(kind: str, name: str) -> str:
    """What is said where an object of the PodAutoscaler's name is somebody else's."""
    return f'There is an existing {kind} "{name}" that we do not own.'


def left_alone(pa: PodAutoscaler, conditions: Conditions) -> Object:
    """The status where nothing is done: as it was, but for the conditions."""
    return {**pa.status, "conditions": conditions.dump(), "observedGeneration": pa.metadata.generation or 1}


def make_sks(pa: PodAutoscaler, mode: str, activators: int) -> Object:
    """The ServerlessService of a PodAutoscaler; 0 activators are all there are."""
    spec: Object = {"mode": mode, "objectRef": target_of(pa), "protocolType": pa.spec.protocol_type}
    if activators:
        spec["numActivators"] = activators
    return child(pa, NETWORKING, "ServerlessService", without=_METRIC) | {"spec": spec}


def make_metric(pa: PodAutoscaler, spec: Spec) -> Object:
    """The Metric of a PodAutoscaler: what is measured, where, and over which windows (ns)."""
    said = {
        "stableWindow": spec.metric_stable_window_ms * 10**6,
        "panicWindow": spec.metric_panic_window_ms * 10**6,
        "scrapeTarget": spec.scrape_target,
    }
    return child(pa, AUTOSCALING, "Metric") | {"spec": said}


def target_of(pa: PodAutoscaler) -> Object:
    """What is scaled, as a reference."""
    target = pa.spec.scale_target_ref
    return {"kind": target.kind, "name": target.name, "apiVersion": target.api_version}


def child(pa: PodAutoscaler, api_version: str, kind: str, without: str = "") -> Object:
    """An object of the PodAutoscaler's name, labels and annotations (but one), which it controls."""
    meta = pa.metadata
    owner = controlled_by(AUTOSCALING, "PodAutoscaler", meta.name, meta.uid)
    made: Object = {"name": meta.name, "namespace": meta.namespace, "ownerReferences": [owner]}
    notes = {key: value for key, value in meta.annotations.items() if key != without}
    for key, values in (("labels", dict(meta.labels)), ("annotations", notes)):
        if values:
            made[key] = values
    return {"apiVersion": api_version, "kind": kind, "metadata": made}


def active_threshold(pa: PodAutoscaler, config: Config, *, initialized: bool) -> int:
    """How many ready pods make it active (fact 30)."""
    least, _ = limits(kpa(pa), config, initialized=True)
    return max(least, 1) if initialized else max(least, initial_scale(kpa(pa), config))


def _conditions(pa: PodAutoscaler, now: dt.datetime) -> Conditions:
    made = Conditions(DEPENDENTS, pa.status.get("conditions") or (), rfc3339(now))
    made.initialize()
    return made


def _observed(pa: PodAutoscaler, around: Around, conditions: Conditions, now: dt.datetime) -> Observed:
    active = conditions.get(ACTIVE)
    backed = around.sks.condition(ACTIVATED) if around.sks else {}
    proxies = backed.get("status") == TRUE
    return Observed(
        active.status if active else "",
        _age(active.changed if active else "", now),
        conditions.status(INITIALIZED) == TRUE,
        around.sks is not None and around.sks.spec.mode == PROXY,
        _age(backed.get("lastTransitionTime") or "", now) if proxies else None,
        around.replicas,
        progress_deadline(kpa(pa), around.deadline_ms),
    )


def _mark_sks(conditions: Conditions, sks: ServerlessService) -> None:
    ready = sks.condition("Ready")
    if ready.get("status") == TRUE:
        conditions.true(SKS_READY)
    else:
        conditions.unknown(SKS_READY, "NotReady", str(ready.get("message") or ""))


def _status(pa: PodAutoscaler, around: Around, conditions: Conditions, want: int, ready: int) -> Object:
    before = pa.status
    named = {key: before.get(key) or "" for key in ("serviceName", "metricsServiceName")}
    if around.sks is not None and around.sks.private:
        named = {
            "serviceName": around.sks.status.get("serviceName") or "",
            "metricsServiceName": around.sks.private,
        }
    desired = before.get("desiredScale")
    if desired is None or want != UNDECIDED:
        desired = want
    initialized = conditions.status(INITIALIZED) == TRUE
    threshold = active_threshold(pa, around.config, initialized=initialized)
    if ready >= threshold and named["serviceName"]:
        conditions.true(INITIALIZED)
    _mark_active(conditions, want, ready, threshold)
    return {
        **named,
        "desiredScale": desired,
        "actualScale": ready,
        "conditions": conditions.dump(),
        "observedGeneration": pa.metadata.generation or 1,
    }


def _mark_active(conditions: Conditions, want: int, ready: int, threshold: int) -> None:
    inactive = conditions.status(ACTIVE) == FALSE
    if want == 0 or threshold == 0:
        timed_out = conditions.status(ACTIVE) == UNKNOWN and threshold > 0
        reason, message = ("TimedOut", _TIMED_OUT) if timed_out else ("NoTraffic", _NO_TRAFFIC)
        conditions.false(ACTIVE, reason, message)
    elif want < 0 and inactive:
        if ready < threshold:  # nothing is known of it yet, and it was at rest: it stays so
            conditions.false(ACTIVE, "NoTraffic", _NO_TRAFFIC)
    elif ready < threshold:
        conditions.unknown(ACTIVE, "Queued", _BUFFERED)
    else:
        conditions.true(ACTIVE)


def rfc3339(moment: dt.datetime) -> str:
    """As Kubernetes writes a time; with fractions of a second only where it has some."""
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _age(since: str, now: dt.datetime) -> int:
    """Milliseconds since a time of Kubernetes; 0 for none."""
    if not since:
        return 0
    return max(int((now - dt.datetime.fromisoformat(since)) / dt.timedelta(milliseconds=1)), 0)
