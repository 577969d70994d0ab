"""A Revision → its PodAutoscaler (facts/serving.md 48)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.model.serving import Revision
from knet.serving.revision_names import ROUTING_STATE_LABEL, child, deployment_name, handed_on

Object = dict[str, Any]

REACHABLE, UNREACHABLE = "Reachable", "Unreachable"
_STATES = {"active": REACHABLE, "reserve": UNREACHABLE}
_BASE = ("ResourcesAvailable", "ContainerHealthy")


def make_podautoscaler(revision: Revision, deployment: Mapping[str, Any] | None = None) -> Object:
    """The PodAutoscaler. `deployment` is the revision's as it stands: a failed one without pods need not be reachable."""
    spec: Object = {}
    if revision.spec.container_concurrency:
        spec["containerConcurrency"] = revision.spec.container_concurrency
    target = {
        "kind": "Deployment",
        "name": deployment_name(revision.metadata.name),
        "apiVersion": "apps/v1",
    }
    spec["scaleTargetRef"] = target
    if reachable := reachability(revision, deployment):
        spec["reachability"] = reachable
    spec["protocolType"] = "h2c" if revision.spec.h2c else "http1"
    return {
        "apiVersion": "autoscaling.internal.knative.dev/v1alpha1",
        "kind": "PodAutoscaler",
        "metadata": child(revision, revision.metadata.name, handed_on(revision.metadata)),
        "spec": spec,
    }


def reachability(revision: Revision, deployment: Mapping[str, Any] | None) -> str:
    """Whether requests can come to a revision; empty while nobody knows."""
    if deployment is not None and _failed(revision) and not _serves(deployment):
        return UNREACHABLE
    return _STATES.get(revision.metadata.labels.get(ROUTING_STATE_LABEL, ""), "")


def _failed(revision: Revision) -> bool:
    conditions = revision.status.get("conditions") or ()
    return any(c.get("type") in _BASE and c.get("status") == "False" for c in conditions)


def _serves(deployment: Mapping[str, Any]) -> bool:
    """Whether a Deployment has pods that are ready, or wants none."""
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    return not wanted or bool((deployment.get("status") or {}).get("readyReplicas", 0))
