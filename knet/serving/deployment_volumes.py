"""The volumes that ConfigMaps give to a revision's pods, beside the user's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from knet.model.serving import Revision
from knet.serving.queue_container import NAME, POD_INFO
from knet.serving.settings import Settings

Object = dict[str, Any]

_TOKEN_SECONDS = 3600
CERTIFICATE = "serving-certs"
"""The Secret, one in each namespace, of the certificate that pods show with system-internal-tls."""
_LOGS = "knative-var-log"


def extra_volumes(revision: Revision, settings: Settings, queue: Object) -> list[Object]:
    """The queue-proxy's; their mounts are added to `queue`."""
    found: list[tuple[Object, Object]] = []
    switch = settings.features.flag("queueproxy.mount-podinfo")
    asked = revision.metadata.annotations.get(POD_INFO, "").lower() == "enabled"
    if switch == "enabled" or (switch == "allowed" and asked):
        found.append(_pod_info())
    if settings.deployment.queue_token_audiences:
        found.append(_tokens(settings.deployment.queue_token_audiences))
    if settings.network.system_internal_tls:
        volume = {"name": "server-certs", "secret": {"secretName": CERTIFICATE}}
        found.append(
            (volume, {"name": "server-certs", "readOnly": True, "mountPath": "/var/lib/knative/certs"})
        )
    if found:
        queue["volumeMounts"] = [mount for _, mount in found]
    return [volume for volume, _ in found]


def _pod_info() -> tuple[Object, Object]:
    item = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    mount = {"name": "pod-info", "readOnly": True, "mountPath": "/etc/podinfo"}
    return {"name": "pod-info", "downwardAPI": {"items": [item]}}, mount


def _tokens(audiences: Collection[str]) -> tuple[Object, Object]:
    name = "knative-token-volume"
    sources = [
        {"serviceAccountToken": {"audience": a, "expirationSeconds": _TOKEN_SECONDS, "path": a}}
        for a in sorted(audiences)
    ]
    return {"name": name, "projected": {"sources": sources}}, {
        "name": name,
        "mountPath": "/var/run/secrets/tokens",
    }


def with_logs(containers: list[Object]) -> tuple[list[Object], Object]:
    """The user's containers with `/var/log` where a node's collector finds it, and the volume for that."""
    added = [
        {"name": "K_INTERNAL_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "K_INTERNAL_POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]
    made = []
    for container in containers:
        if container["name"] == NAME:
            made.append(container)
            continue
        mount = {
            "name": _LOGS,
            "mountPath": "/var/log",
            "subPathExpr": f"$(K_INTERNAL_POD_NAMESPACE)_$(K_INTERNAL_POD_NAME)_{container['name']}",
        }
        mounts = [*(container.get("volumeMounts") or ()), mount]
        made.append({**container, "env": [*container["env"], *added], "volumeMounts": mounts})
    return made, {"name": _LOGS, "emptyDir": {}}
