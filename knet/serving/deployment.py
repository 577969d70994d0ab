"""A Revision → its Deployment and the images it uses (facts/serving.md 47, golden/serving)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.model.serving import Revision
from knet.scaling.scaler import PROGRESS_DEADLINE
from knet.scaling.spec import PREFIX
from knet.serving.deployment_pods import pod_spec
from knet.serving.queue_container import serving_container
from knet.serving.revision_names import (
    REVISION_UID_LABEL,
    child,
    deployment_name,
    image_name,
    labels,
    workload_annotations,
)
from knet.serving.settings import Settings
from knet.text import duration, go, json
from knet.text.duration import SECOND

Object = dict[str, Any]

_INITIAL_SCALE = (f"{PREFIX}initial-scale", f"{PREFIX}initialScale")
HASH_LABEL = "serving.knative.dev/deployment-hash"
"""Upstream's is a hash of Go's memory dump: nobody can compare with it, and nobody has to."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def make_deployment(
    revision: Revision, settings: Settings, digests: Mapping[str, str] | None = None
) -> Object:
    """The Deployment. `digests` has, by container, the images that tags were resolved to."""
    meta = revision.metadata
    notes = workload_annotations(meta)
    template = {_DEFAULT_CONTAINER: serving_container(revision).get("name", ""), **notes}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": child(revision, deployment_name(meta.name), notes),
        "spec": {
            "replicas": initial_scale(meta.annotations, settings),
            "selector": {"matchLabels": {REVISION_UID_LABEL: meta.uid}},
            "template": {
                "metadata": {"labels": labels(meta), "annotations": template},
                "spec": pod_spec(revision, settings, digests or {}),
            },
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": progress_deadline(notes, settings) // SECOND,
        },
    }
    # by it one sees that something is no longer wanted, whatever the API server has filled in
    made["metadata"]["labels"][HASH_LABEL] = json.digest([made["spec"], made["metadata"]], 10)
    return made


def make_images(revision: Revision, digests: Mapping[str, str]) -> list[Object]:
    """For whoever pulls images ahead: one object for each container."""
    spec = revision.spec
    notes = workload_annotations(revision.metadata)
    made: list[Object] = []
    for container in spec.containers:
        wanted: Object = {"image": digests.get(container["name"]) or container["image"]}
        if spec.service_account_name:
            wanted["serviceAccountName"] = spec.service_account_name
        if spec.image_pull_secrets:
            wanted["imagePullSecrets"] = list(spec.image_pull_secrets)
        name = image_name(revision.metadata.name, container["name"])
        head = {"apiVersion": "caching.internal.knative.dev/v1alpha1", "kind": "Image"}
        made.append({**head, "metadata": child(revision, name, notes), "spec": wanted})
    return made


def initial_scale(notes: Mapping[str, str], settings: Settings) -> int:
    """With how many pods a revision begins. The webhook refuses an annotation that is no number, or zero unasked."""
    for text in _said(notes, _INITIAL_SCALE):
        try:
            return max(go.integer(text), 0)
        except ValueError:
            break
    return settings.autoscaler.initial_scale


def progress_deadline(notes: Mapping[str, str], settings: Settings) -> int:
    """For how many nanoseconds its pods may make no progress."""
    for text in _said(notes, (PROGRESS_DEADLINE,)):
        try:
            found = duration.parse(text)
        except ValueError:
            break
        if found > 0:
            return found
    return settings.deployment.progress_deadline


def _said(notes: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    return [notes[key] for key in keys if key in notes][:1]
