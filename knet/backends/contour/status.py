"""The status of a KIngress at each stage of its way into Contour (golden: `statusPass1`, `status`)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from knet.backends.contour.settings import Gateway, Settings
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL

CONDITIONS = ("LoadBalancerReady", "NetworkConfigured", "Ready")


class Stage(enum.Enum):
    """How far a KIngress is: nothing done, endpoints probed, HTTPProxies probed, all answered."""

    NEW = enum.auto()
    ENDPOINTS = enum.auto()
    PROXIES = enum.auto()
    READY = enum.auto()


_WAITING = {
    "status": "Unknown",
    "reason": "Uninitialized",
    "message": "Waiting for load balancer to be ready",
}
_ENDPOINTS = {
    "status": "Unknown",
    "reason": "EndpointsNotReady",
    "message": "Waiting for Envoys to receive Endpoints data.",
}


def status(
    stage: Stage, settings: Settings, generation: int, previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The whole status. What a stage says nothing of stays as it was in `previous`."""
    made = dict(previous or {})
    before = {c["type"]: {k: v for k, v in c.items() if k != "type"} for c in made.get("conditions", ())}
    now = {name: {"status": "Unknown"} for name in CONDITIONS} | before | _conditions(stage)
    made["conditions"] = [{"type": name, **now[name]} for name in sorted(now)]
    if stage is Stage.READY:
        made["observedGeneration"] = generation
        made["publicLoadBalancer"] = _load_balancer(settings.gateways[EXTERNAL])
        made["privateLoadBalancer"] = _load_balancer(settings.gateways[CLUSTER_LOCAL])
    return made


def _conditions(stage: Stage) -> dict[str, dict[str, str]]:
    if stage is Stage.READY:
        return {name: {"status": "True"} for name in CONDITIONS}
    if stage is Stage.PROXIES:
        return {"NetworkConfigured": {"status": "True"}, "LoadBalancerReady": _WAITING, "Ready": _WAITING}
    return {"LoadBalancerReady": _WAITING, "Ready": _ENDPOINTS} if stage is Stage.ENDPOINTS else {}


def _load_balancer(gateway: Gateway) -> dict[str, Any]:
    namespace, name = gateway.service
    found = {"domainInternal": f"{name}.{namespace}.svc.cluster.local"}
    if gateway.cluster_ip and gateway.cluster_ip != "None":
        found["ip"] = gateway.cluster_ip
    return {"ingress": [found]}
