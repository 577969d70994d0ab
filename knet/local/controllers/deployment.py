"""Deployments: which ReplicaSet has how many pods during a rollout (kubernetes.io: Deployments)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.kube.objects import owner_reference
from knet.local.controllers.deployment_status import Facts, status_of
from knet.local.controllers.objects import Object, labels, name, spec, status
from knet.model.digits import whole
from knet.text import json

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Plan:
    """`create` is a ReplicaSet to make; `scale` gives replicas by name; `revisions` are to be written on them.

    `again`: seconds after which the progress deadline may have passed.
    """

    status: Object
    create: Object | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    delete: tuple[str, ...] = ()
    again: float | None = None


def decide(deployment: Object, sets: Sequence[Object], now: float) -> Plan:
    """What to do about a Deployment and the ReplicaSets that it owns; `now` is in seconds since 1970."""
    ordered = sorted(sets, key=lambda s: (s["metadata"].get("creationTimestamp", ""), name(s)))
    new = next((s for s in ordered if same_template(s, deployment)), None)
    old = [s for s in ordered if s is not new]
    newest = max((_revision(s) for s in old), default=0)
    create, scale, revisions = None, dict[str, int](), dict[str, str]()
    paused = bool(spec(deployment).get("paused"))
    number = str(max(newest + 1, _revision(new) if new else 0))
    if paused:
        number = str(_revision(new)) if new else str(newest)
    elif new is None:
        create = _new_set(deployment, number, _first_replicas(deployment, old))
    else:
        if _revision(new) < newest + 1:
            revisions[name(new)] = number
        scale = _recreate(deployment, new, old) if _recreates(deployment) else _roll(deployment, new, old)
    facts = Facts(deployment, new, tuple(ordered), created=create is not None)
    said, again = status_of(facts, now)
    return Plan(said, create, scale, revisions, number, _history(deployment, old), again)


def same_template(replica_set: Object, deployment: Object) -> bool:
    """Whether a ReplicaSet makes the pods that a Deployment wants now."""
    mine, theirs = spec(replica_set).get("template") or {}, spec(deployment).get("template") or {}
    marked, *rest = _plain(mine)
    wanted, *others = _plain(theirs)
    return {k: v for k, v in marked.items() if k != HASH} == wanted and rest == others


def _plain(template: Mapping[str, Any]) -> tuple[Object, Object, Any]:
    meta = template.get("metadata") or {}
    return meta.get("labels") or {}, meta.get("annotations") or {}, template.get("spec")


def template_hash(deployment: Object) -> str:
    """Ten letters and digits that follow from the template."""
    digest = hashlib.sha256(json.canonical(_plain(spec(deployment)["template"]))).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def bounds(deployment: Object) -> tuple[int, int]:
    """(max surge, max unavailable) in pods: percentages round up for surge and down for unavailable."""
    wanted = int(spec(deployment).get("replicas", 1))
    rolling = (spec(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(value: Any, of: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * of / 100))
    return int(value)


def _recreates(deployment: Object) -> bool:
    return (spec(deployment).get("strategy") or {}).get("type") == "Recreate"


def _replicas(item: Object) -> int:
    return int(spec(item).get("replicas", 1))


def _available(item: Object) -> int:
    return int(status(item).get("availableReplicas", 0))


def _first_replicas(deployment: Object, old: Sequence[Object]) -> int:
    wanted = _replicas(deployment)
    if _recreates(deployment):
        return 0 if any(_replicas(s) or status(s).get("replicas") for s in old) else wanted
    room = wanted + bounds(deployment)[0] - sum(map(_replicas, old))
    return max(min(wanted, room), 0)


def _roll(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, int]:
    """One step: the new set grows as far as surge lets it, old ones shrink as far as availability does."""
    wanted = _replicas(deployment)
    surge, unavailable = bounds(deployment)
    total = _replicas(new) + sum(map(_replicas, old))
    if _replicas(new) > wanted:
        return {name(new): wanted}
    room = wanted + surge - total
    if _replicas(new) < wanted and room > 0:
        return {name(new): min(_replicas(new) + room, wanted)}
    least = wanted - unavailable
    spare = total - least - (_replicas(new) - min(_available(new), _replicas(new)))
    if spare <= 0:
        return {}
    made: dict[str, int] = {}
    for item in old:  # pods that serve nobody go first
        sick = max(_replicas(item) - _available(item), 0)
        gone = min(sick, spare)
        if gone:
            made[name(item)] = _replicas(item) - gone
            spare -= gone
    serving = _available(new) + sum(map(_available, old)) - least
    for item in old:
        left = made.get(name(item), _replicas(item))
        gone = min(left, max(serving, 0), max(spare, 0))
        if gone:
            made[name(item)] = left - gone
            serving, spare = serving - gone, spare - gone
    return made


def _recreate(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, int]:
    down = {name(s): 0 for s in old if _replicas(s)}
    if down:
        return down
    if any(status(s).get("replicas") for s in old) or _replicas(new) == _replicas(deployment):
        return {}
    return {name(new): _replicas(deployment)}


def _new_set(deployment: Object, revision: str, replicas: int) -> Object:
    mark = template_hash(deployment)
    template = json.copied(spec(deployment)["template"])
    meta = template.setdefault("metadata", {})
    meta["labels"] = {**(meta.get("labels") or {}), HASH: mark}
    selector = json.copied(spec(deployment)["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: mark}
    notes = {
        k: v
        for k, v in (deployment["metadata"].get("annotations") or {}).items()
        if k != "kubectl.kubernetes.io/last-applied-configuration"
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name(deployment)}-{mark}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": {**labels(template), HASH: mark},
            "annotations": {**notes, REVISION: revision},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "selector": selector,
            "template": template,
            "minReadySeconds": int(spec(deployment).get("minReadySeconds") or 0),
        },
    }


def _revision(item: Object) -> int:
    return whole(str((item["metadata"].get("annotations") or {}).get(REVISION, "0"))) or 0


def _history(deployment: Object, old: Sequence[Object]) -> tuple[str, ...]:
    """Old sets without pods, beyond what is kept for going back."""
    keep = int(spec(deployment).get("revisionHistoryLimit", 10))
    empty = [s for s in old if not _replicas(s) and not status(s).get("replicas")]
    empty.sort(key=_revision)
    return tuple(name(s) for s in empty[: max(len(empty) - keep, 0)])
