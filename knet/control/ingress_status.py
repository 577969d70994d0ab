"""The status of a KIngress, as Knative's controllers write it (facts/knative.md A; networking v1alpha1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from knet.backends.api import Readiness, State

LOAD_BALANCER_READY, NETWORK_CONFIGURED, READY = "LoadBalancerReady", "NetworkConfigured", "Ready"
_WAITING = ("Uninitialized", "Waiting for load balancer to be ready")


@dataclass(frozen=True, slots=True)
class Balancers:
    """Where the gateway is found inside the cluster: `domainInternal` of both load balancers."""

    public: str
    private: str


def status_of(
    generation: int, readiness: Readiness, balancers: Balancers, before: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """The status at a generation. `before` is the status as it stands; `now` is RFC 3339.

    A condition that does not change keeps its time. What was ready at this generation stays so while its
    endpoints or certificates are exchanged: readiness never goes back without a change of the KIngress.
    """
    if readiness.state is not State.READY and was_ready(generation, before):
        return dict(before)
    conditions = [
        _timed(condition, before.get("conditions") or (), now) for condition in _conditions(readiness)
    ]
    return {
        "conditions": conditions,
        "observedGeneration": generation,
        "privateLoadBalancer": {"ingress": [{"domainInternal": balancers.private}]},
        "publicLoadBalancer": {"ingress": [{"domainInternal": balancers.public}]},
    }


def moment() -> str:
    """The time, as conditions have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def failed_of(reason: str, before: Mapping[str, Any], now: str) -> dict[str, Any]:
    """`before`, with conditions that say why a KIngress cannot be served as it is now."""
    made = {**before, "conditions": _conditions(Readiness(State.FAILED, reason))}
    return timed(made, before, now)


def timed(status: Mapping[str, Any], before: Mapping[str, Any], now: str) -> dict[str, Any]:
    """A status whose conditions have their times: those that do not change keep theirs."""
    old = before.get("conditions") or ()
    return {**status, "conditions": [_timed(c, old, now) for c in status.get("conditions") or ()]}


def turned(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """The event (type, reason, message) of a change of the Ready condition; None where nothing turned."""
    old, new = _ready(before), _ready(after)
    if (old.get("status"), old.get("message")) == (new.get("status"), new.get("message")):
        return None
    if new.get("status") == "True":
        return "Normal", "Ready", "every gateway serves it"
    if new.get("status") == "False":
        return "Warning", str(new.get("reason", "")), str(new.get("message", ""))
    return None


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    nothing: dict[str, Any] = {}
    return next((c for c in status.get("conditions") or () if c.get("type") == READY), nothing)


def was_ready(generation: int, status: Mapping[str, Any]) -> bool:
    """Whether a status says Ready of exactly this generation."""
    return status.get("observedGeneration") == generation and any(
        c.get("type") == READY and c.get("status") == "True" for c in status.get("conditions") or ()
    )


def _conditions(readiness: Readiness) -> list[dict[str, str]]:
    if readiness.state is State.READY:
        return [{"type": t, "status": "True"} for t in (LOAD_BALANCER_READY, NETWORK_CONFIGURED, READY)]
    reason, message = _WAITING
    if readiness.state is State.WAITING:
        waiting = {"status": "Unknown", "reason": reason, "message": message}
        return [
            {"type": LOAD_BALANCER_READY, **waiting},
            {"type": NETWORK_CONFIGURED, "status": "True"},
            {"type": READY, **waiting},
        ]
    failed = {"status": "False", "reason": "IngressNotConfigured", "message": readiness.reason}
    return [
        {"type": LOAD_BALANCER_READY, "status": "Unknown", "reason": reason, "message": message},
        {"type": NETWORK_CONFIGURED, **failed},
        {"type": READY, **failed},
    ]


def _timed(condition: dict[str, str], before: Any, now: str) -> dict[str, str]:
    nothing: dict[str, str] = {}
    old = next((c for c in before if c.get("type") == condition["type"]), nothing)
    same = old.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": old.get("lastTransitionTime", now) if same else now}
