"""A PodAutoscaler of the HPA's class to its HorizontalPodAutoscaler (autoscaling/v2), ServerlessService and status.

Kubernetes scales it then: by CPU, memory, or a metric of pods that somebody provides. It never goes to zero, and its
traffic never passes an activator. Pure.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

from knet.model.autoscaling import SERVE, PodAutoscaler, ServerlessService
from knet.scaling.config import Config
from knet.scaling.spec import bounds
from knet.serving.conditions import TRUE, Conditions
from knet.serving.podautoscaler import (
    ACTIVE,
    DEPENDENTS,
    INITIALIZED,
    NOT_OWNED,
    SKS_READY,
    active_threshold,
    child,
    kpa,
    left_alone,
    make_sks,
    not_owned,
    rfc3339,
    target_of,
)
from knet.text import go, quantity
from knet.text.duration import SECOND

Object = dict[str, Any]

HPA_CLASS = "hpa.autoscaling.knative.dev"
API_VERSION = "autoscaling/v2"

_CPU, _MEMORY = "cpu", "memory"
_MOST, _MOST_EXACT = 2**31 - 1, 2**53
_WAITS = "SKS Services are not ready yet"


@dataclass(frozen=True, slots=True)
class Around:
    """What it depends on. `hpa` is the HorizontalPodAutoscaler as it stands (None: there is none), `foreign` the kind of
    an object of its name that belongs to somebody else; `ready` are the scale target's ready pods.
    """

    config: Config
    sks: ServerlessService | None = None
    hpa: Object | None = None
    foreign: str = ""
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What there is to be; `hpa` and `sks` are None where the name is somebody else's."""

    hpa: Object | None
    sks: Object | None
    status: Object


def reconcile(pa: PodAutoscaler, around: Around, now: dt.datetime) -> Made:
    """Everything that follows from a PodAutoscaler of the HPA's class."""
    conditions = Conditions(DEPENDENTS, pa.status.get("conditions") or (), rfc3339(now))
    conditions.initialize()
    if around.foreign:
        conditions.false(ACTIVE, NOT_OWNED, not_owned(around.foreign, pa.metadata.name))
        return Made(None, None, left_alone(pa, conditions))
    if around.sks is not None and around.sks.condition("Ready").get("status") == TRUE:
        conditions.true(SKS_READY)
        if _pods(around) >= active_threshold(pa, around.config, initialized=False):
            conditions.true(INITIALIZED)
    else:
        conditions.unknown(SKS_READY, "NotReady", _WAITS)
    conditions.true(ACTIVE)
    return Made(make_hpa(pa, around.config), make_sks(pa, SERVE, 0), _status(pa, around, conditions))


def make_hpa(pa: PodAutoscaler, config: Config) -> Object:
    """The HorizontalPodAutoscaler of a PodAutoscaler."""
    least, most = bounds(kpa(pa), config)
    spec: Object = {"scaleTargetRef": target_of(pa), "maxReplicas": most or _MOST}
    if least > 0:
        spec["minReplicas"] = least
    target = _number(pa, "target")
    if target is not None:
        spec["metrics"] = [_metric(kpa(pa).value("metric") or _CPU, target)]
    window = _window(pa)
    if window is not None:
        rules = {"stabilizationWindowSeconds": window}
        spec["behavior"] = {"scaleDown": rules, "scaleUp": dict(rules)}
    return child(pa, API_VERSION, "HorizontalPodAutoscaler") | {"spec": spec}


def _metric(name: str, target: float) -> Object:
    # quantities as an API server writes them: else every pass would find a difference
    if name == _CPU:
        wanted: Object = {"type": "Utilization", "averageUtilization": min(math.ceil(target), _MOST)}
        return {"type": "Resource", "resource": {"name": _CPU, "target": wanted}}
    if name == _MEMORY:
        wanted = {"type": "AverageValue", "averageValue": quantity.canonical(f"{min(int(target), _MOST)}Mi")}
        return {"type": "Resource", "resource": {"name": _MEMORY, "target": wanted}}
    wanted = {"type": "AverageValue", "averageValue": quantity.canonical(str(min(int(target), _MOST_EXACT)))}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": wanted}}


def _number(pa: PodAutoscaler, name: str) -> float | None:
    try:
        number = go.number(kpa(pa).value(name) or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _window(pa: PodAutoscaler) -> int | None:
    try:
        return go.duration(kpa(pa).value("window") or "") // SECOND
    except ValueError:
        return None


def _pods(around: Around) -> int:
    """How many run: as Kubernetes counts, or as we do where nobody fills in the status (the embedded cluster)."""
    counted: int | None = ((around.hpa or {}).get("status") or {}).get("currentReplicas")
    return around.ready if counted is None else counted


def _status(pa: PodAutoscaler, around: Around, conditions: Conditions) -> Object:
    named = {"serviceName": "", "metricsServiceName": ""}
    if around.sks is not None:
        named = {
            "serviceName": around.sks.status.get("serviceName") or "",
            "metricsServiceName": around.sks.private,
        }
    wanted = ((around.hpa or {}).get("status") or {}).get("desiredReplicas")
    return {
        **named,
        "desiredScale": _pods(around) if wanted is None else wanted,
        "actualScale": _pods(around),
        "conditions": conditions.dump(),
        "observedGeneration": pa.metadata.generation or 1,
    }
