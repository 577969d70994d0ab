"""The status of a Deployment: counts, Available and Progressing, as `kubectl rollout status` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knet.local.controllers.objects import Object, condition, name, seconds, spec, stamp, status


@dataclass(frozen=True, slots=True)
class Facts:
    """A Deployment, its present ReplicaSet, all of them, and whether one is being made just now."""

    deployment: Object
    new: Object | None
    sets: tuple[Object, ...]
    created: bool = False


def status_of(facts: Facts, now: float) -> tuple[Object, float | None]:
    """The status, and the seconds until the progress deadline (None where none runs)."""
    deployment, before = facts.deployment, status(facts.deployment)
    wanted = int(spec(deployment).get("replicas", 1))
    counts = {
        "replicas": _sum(facts, "replicas"),
        "updatedReplicas": int(status(facts.new).get("replicas", 0)) if facts.new else 0,
        "readyReplicas": _sum(facts, "readyReplicas"),
        "availableReplicas": _sum(facts, "availableReplicas"),
    }
    counts["unavailableReplicas"] = max(wanted - counts["availableReplicas"], 0)
    progressing, again = _progressing(facts, counts, now)
    conditions = [_available(facts, counts, now), progressing]
    made: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **{k: v for k, v in counts.items() if v},
        "conditions": sorted(conditions, key=lambda c: str(c["type"])),
    }
    if "collisionCount" in before:
        made["collisionCount"] = before["collisionCount"]
    return made, again


def _sum(facts: Facts, field: str) -> int:
    return sum(int(status(s).get(field, 0)) for s in facts.sets)


def _available(facts: Facts, counts: Mapping[str, int], now: float) -> Object:
    from knet.local.controllers.deployment import bounds

    least = int(spec(facts.deployment).get("replicas", 1)) - bounds(facts.deployment)[1]
    if counts["availableReplicas"] >= least:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _condition(facts.deployment, "Available", said, now, moved=False)


def _progressing(facts: Facts, counts: Mapping[str, int], now: float) -> tuple[Object, float | None]:
    deployment = facts.deployment
    wanted = int(spec(deployment).get("replicas", 1))
    before = condition(deployment, "Progressing")
    if spec(deployment).get("paused"):
        said = ("Unknown", "DeploymentPaused", "Deployment is paused")
        return _condition(deployment, "Progressing", said, now, moved=False), None
    about = f'ReplicaSet "{name(facts.new)}"' if facts.new else f'Deployment "{name(deployment)}"'
    complete = (
        facts.new is not None
        and counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
    )
    if complete:
        said = ("True", "NewReplicaSetAvailable", f"{about} has successfully progressed.")
        return _condition(deployment, "Progressing", said, now, moved=False), None
    was = status(deployment)
    fields = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    moved = facts.created or not before or any(counts[f] != int(was.get(f, 0)) for f in fields)
    if was.get("observedGeneration") != deployment["metadata"].get("generation", 1):
        moved = True
    deadline = float(spec(deployment).get("progressDeadlineSeconds") or 600)
    if not moved and before.get("reason") == "NewReplicaSetAvailable":
        return before, None  # it was complete once: what pods do since then is no rollout
    if not moved and before.get("reason") == "ProgressDeadlineExceeded":
        return before, None  # late it stays, until something moves
    left = deadline if moved else seconds(str(before["lastUpdateTime"])) + deadline - now
    if left <= 0:
        said = ("False", "ProgressDeadlineExceeded", f"{about} has timed out progressing.")
        return _condition(deployment, "Progressing", said, now, moved=False), None
    made = ("True", "NewReplicaSetCreated", f"Created new replica set {about}")
    if facts.new is not None and not facts.created:
        made = ("True", "ReplicaSetUpdated", f"{about} is progressing.")
    return _condition(deployment, "Progressing", made, now, moved=moved), left


def _condition(
    deployment: Object, kind: str, said: tuple[str, str, str], now: float, *, moved: bool
) -> Object:
    state, reason, message = said
    before = condition(deployment, kind)
    time = stamp(now)
    same = before.get("status") == state
    unmoved = same and before.get("reason") == reason and not moved
    return {
        "type": kind,
        "status": state,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if same else time,
        "lastUpdateTime": before["lastUpdateTime"] if unmoved else time,
    }
