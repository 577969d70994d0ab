"""ReplicaSets: how many pods to make, which to take away, and what to say (kubernetes.io: ReplicaSet)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knet.kube.objects import owner_reference
from knet.local.controllers.objects import (
    Object,
    active,
    available,
    condition,
    labels,
    name,
    ready,
    spec,
    status,
)
from knet.text import json

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """`create` pods to make, the names of pods to `delete`, the status, and when to look again (seconds)."""

    create: int
    delete: tuple[str, ...]
    status: Object
    again: float | None = None


def decide(replica_set: Object, pods: Sequence[Object], now: float) -> Plan:
    """What to do about a ReplicaSet and the pods that it owns; `now` is in seconds since 1970."""
    wanted = int(spec(replica_set).get("replicas", 1))
    least = int(spec(replica_set).get("minReadySeconds") or 0)
    alive = [pod for pod in pods if active(pod)]
    surplus = len(alive) - wanted
    doomed = sorted(alive, key=_worth)[:surplus] if surplus > 0 else []
    return Plan(
        max(-surplus, 0),
        tuple(map(name, doomed)),
        _status(replica_set, alive, least, now),
        least if least and any(ready(p) and not available(p, least, now) for p in alive) else None,
    )


def _worth(pod: Object) -> tuple[object, ...]:
    """Pods that are worth least first: without a node, not running, not ready, ready for less long, newer."""
    since = condition(pod, "Ready").get("lastTransitionTime", "") if ready(pod) else ""
    restarts = sum(int(c.get("restartCount", 0)) for c in status(pod).get("containerStatuses") or ())
    created = pod["metadata"].get("creationTimestamp", "")
    return (
        bool(spec(pod).get("nodeName")),
        _PHASES.get(str(status(pod).get("phase", "")), 0),
        ready(pod),
        _newest_first(since),
        -restarts,
        _newest_first(created),
        name(pod),
    )


def _newest_first(time: str) -> tuple[int, ...]:
    return tuple(-ord(c) for c in time)


def _status(replica_set: Object, alive: Sequence[Object], least: int, now: float) -> Object:
    template = ((spec(replica_set).get("template") or {}).get("metadata") or {}).get("labels") or {}
    made = {
        "replicas": len(alive),
        "fullyLabeledReplicas": sum(template.items() <= labels(p).items() for p in alive),
        "readyReplicas": sum(map(ready, alive)),
        "availableReplicas": sum(available(p, least, now) for p in alive),
    }
    said: Object = {k: v for k, v in made.items() if v or k == "replicas"}
    said["observedGeneration"] = replica_set["metadata"].get("generation", 1)
    return said


def new_pod(replica_set: Object) -> Object:
    """A pod as the template says, owned by its ReplicaSet."""
    template = json.copied(spec(replica_set)["template"])
    given = template.get("metadata") or {}
    meta = {k: given[k] for k in ("labels", "annotations", "finalizers") if given.get(k)}
    meta |= {
        "generateName": f"{name(replica_set)}-",
        "namespace": replica_set["metadata"]["namespace"],
        "ownerReferences": [owner_reference(replica_set)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
