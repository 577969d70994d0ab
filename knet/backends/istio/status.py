"""The status of a KIngress on its way into Istio (golden: `status`; facts/knative.md B.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.backends.api import State
from knet.backends.istio.settings import GatewayRef, Settings
from knet.routing.table import Origin, Visibility

CONDITIONS = ("LoadBalancerReady", "NetworkConfigured", "Ready")

_DONE = {"status": "True"}
_WAITING = {
    "status": "Unknown",
    "reason": "Uninitialized",
    "message": "Waiting for load balancer to be ready",
}
_FAILED = {
    "status": "Unknown",
    "reason": "ReconcileIngressFailed",
    "message": "Ingress reconciliation failed",
}
_BY_STATE: Mapping[State, Mapping[str, Mapping[str, str]]] = {
    State.READY: dict.fromkeys(CONDITIONS, _DONE),
    State.WAITING: {"NetworkConfigured": _DONE, "LoadBalancerReady": _WAITING, "Ready": _WAITING},
    State.FAILED: {"Ready": _FAILED},
}


def status(
    state: State, settings: Settings, origin: Origin, previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The whole status. What a state says nothing of stays as it was in `previous`.

    Conditions that say what they said before keep their place and their times, so that a status without
    news is equal to the one before.
    """
    made = dict(previous or {})
    before = {c["type"]: c for c in made.get("conditions", ())}
    now = {name: _condition(name, before.get(name), _BY_STATE[state].get(name)) for name in CONDITIONS}
    if any(before.get(name) != condition for name, condition in now.items()):
        made["conditions"] = [(before | now)[name] for name in sorted(before | now)]
    if state is State.READY:
        made["observedGeneration"] = origin.generation
        for field, visibility in (
            ("publicLoadBalancer", Visibility.EXTERNAL),
            ("privateLoadBalancer", Visibility.INTERNAL),
        ):
            made[field] = {"ingress": [_load_balancer(settings.chosen(visibility, origin.labels))]}
    return made


def _condition(name: str, before: Mapping[str, str] | None, said: Mapping[str, str] | None) -> dict[str, str]:
    """One condition: as before where nothing new is said, without the times of the old where it is."""
    kept = dict(before or {"type": name, "status": "Unknown"})
    if said is None or all(kept.get(k) == said.get(k) for k in ("status", "reason", "message")):
        return kept
    return {"type": name, **said}


def _load_balancer(gateways: tuple[GatewayRef, ...]) -> dict[str, Any]:
    """The first gateway's Service; without gateways only the mesh serves it."""
    return {"domainInternal": gateways[0].host} if gateways else {"meshOnly": True}
