"""What a revision's children are called, and which of its labels and annotations they carry."""

from __future__ import annotations

from typing import Any

from knet.model.meta import ObjectMeta, controlled_by
from knet.model.names import child_name
from knet.model.serving import API_VERSION, GROUP, REVISION_LABEL, ROUTE_LABEL, Revision

REVISION_UID_LABEL = f"{GROUP}/revisionUID"
ROUTING_STATE_LABEL = f"{GROUP}/routingState"
ROUTING_STATE_MODIFIED = f"{GROUP}/routingStateModified"
LAST_PINNED, NO_GC, ROUTES = f"{GROUP}/lastPinned", f"{GROUP}/no-gc", f"{GROUP}/routes"
_APP, _AUTOSCALING = "app", "autoscaling.knative.dev/"

_STAYING_LABELS = frozenset({ROUTE_LABEL, ROUTING_STATE_LABEL})
_STAYING_NOTES = frozenset({LAST_PINNED, NO_GC, ROUTES, ROUTING_STATE_MODIFIED})

Object = dict[str, Any]


def deployment_name(revision: str) -> str:
    return child_name(revision, "-deployment")


def image_name(revision: str, container: str) -> str:
    return child_name(child_name(revision, "-cache"), f"-{container}")


def labels(meta: ObjectMeta) -> dict[str, str]:
    """Those of a revision's children: its own that are no state of it, and which revision it is."""
    made = {key: value for key, value in meta.labels.items() if key not in _STAYING_LABELS}
    made |= {REVISION_LABEL: meta.name, REVISION_UID_LABEL: meta.uid}
    return {_APP: meta.name, **made}


def handed_on(meta: ObjectMeta) -> dict[str, str]:
    """Those that the revision hands on."""
    return {key: value for key, value in meta.annotations.items() if key not in _STAYING_NOTES}


def workload_annotations(meta: ObjectMeta) -> dict[str, str]:
    """Those that its pods carry: how it scales is no concern of theirs."""
    return {k: v for k, v in handed_on(meta).items() if not k.startswith(_AUTOSCALING)}


def child(revision: Revision, name: str, notes: dict[str, str]) -> Object:
    """`metadata` of a child of a revision."""
    meta = revision.metadata
    owner = controlled_by(API_VERSION, "Revision", meta.name, meta.uid)
    made: Object = {
        "name": name,
        "namespace": meta.namespace,
        "labels": labels(meta),
        "ownerReferences": [owner],
    }
    return made | ({"annotations": notes} if notes else {})
