"""The last decision about a revision, step by step: what `knet explain scale` prints. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from knet.scaling.fleet import Standing
from knet.scaling.scaler import Scale
from knet.scaling.spec import Spec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision: bounds on it, what the pods were scaled to, and where the traffic goes."""

    least: int
    most: int
    initialized: bool
    replicas: int | None
    mode: str
    activators: int
    scale: Scale | None


def account(standing: Standing, outcome: Outcome | None, now_ms: int) -> dict[str, Any]:
    """Plain data; durations in seconds, values of the metric that the revision is scaled on."""
    spec = standing.spec
    made: dict[str, Any] = {
        "decided": _ago(standing.decided_at, now_ms),
        "valid": standing.valid,
        "why_not": _why_not(standing, now_ms),
        "metric": spec.scaling_metric,
        "target": spec.target_value,
        "total": spec.total_value,
        "ready_pods": standing.ready,
        "windows": [
            _window(spec, standing, "stable", spec.metric_stable_window_ms, standing.stable),
            _window(spec, standing, "panic", spec.metric_panic_window_ms, standing.panic),
        ],
        "panic": {
            "on": standing.panicking,
            "since": _ago(standing.panic_since, now_ms),
            "threshold": spec.panic_threshold,
            "most": standing.most_in_panic,
        },
        "desired": standing.desired,
        "excess_burst_capacity": standing.excess,
        "target_burst_capacity": spec.target_burst_capacity,
        "scale_down_delay": spec.scale_down_delay_ms / 1000,
        "reachable": spec.reachable,
    }
    if outcome is not None:
        made["outcome"] = _outcome(standing, outcome)
    return made


def _ago(moment: int | None, now_ms: int) -> float | None:
    return None if moment is None else round((now_ms - moment) / 1000, 3)


def _why_not(standing: Standing, now_ms: int) -> str:
    if standing.valid:
        return ""
    if standing.decided_at is None:
        return "no pass has been made yet"
    if standing.stable is None and standing.desired == 0:
        return "it is at rest, and nothing is measured"
    if standing.stable is None:
        return "nothing was measured within the stable window"
    if standing.held_until is not None and standing.held_until > now_ms:
        left = (standing.held_until - now_ms) / 1000
        return f"not sent to zero before a whole stable window has been seen ({left:.0f} s left)"
    return "the ready pods could not be counted"


def _window(
    spec: Spec, standing: Standing, name: str, length_ms: int, average: float | None
) -> dict[str, Any]:
    """One window: its average, the pods that it asks for, and what limits them (facts 11, 12, 16)."""
    made: dict[str, Any] = {"name": name, "seconds": length_ms / 1000, "average": average}
    if average is None:
        return made
    pods = max(standing.ready, 1)
    raw = math.ceil(average / spec.target_value)
    up = math.ceil(spec.max_scale_up_rate * pods)
    down = math.floor(pods / spec.max_scale_down_rate) if spec.reachable else 0
    wanted = min(max(raw, down), up)
    limit = "up-rate" if raw > up else "down-rate" if raw < down else ""
    if spec.activation_scale > 1 and raw > 0 and wanted < spec.activation_scale:
        wanted, limit = spec.activation_scale, "activation-scale"
    return {**made, "raw": raw, "at_most": up, "at_least": down, "pods": wanted, "limited_by": limit}


def _outcome(standing: Standing, outcome: Outcome) -> dict[str, Any]:
    want = None if outcome.scale is None else outcome.scale.want
    bound = ""
    if want is not None and standing.desired >= 0 and want != standing.desired:
        bound = "min" if want > standing.desired else "max"
        if want == 1 and standing.desired == 0 and outcome.least == 0:
            bound = "scale-to-zero waits"
    return {
        "min": outcome.least,
        "max": outcome.most,
        "initialized": outcome.initialized,
        "want": want,
        "limited_by": bound,
        "applied": None if outcome.scale is None else outcome.scale.apply,
        "again_s": None
        if outcome.scale is None or outcome.scale.again_ms is None
        else outcome.scale.again_ms / 1000,
        "replicas": outcome.replicas,
        "mode": outcome.mode,
        "activators": outcome.activators,
    }
