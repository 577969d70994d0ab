"""The pods of a revision: the user's containers with what Knative adds, and the queue-proxy beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.model.serving import REVISION_LABEL, SERVICE_LABEL, Revision
from knet.serving.deployment_volumes import extra_volumes, with_logs
from knet.serving.queue_container import configuration_of, queue_container, user_port
from knet.serving.settings import Settings

Object = dict[str, Any]

_OURS = frozenset(
    {
        "containers",
        "containerConcurrency",
        "timeoutSeconds",
        "responseStartTimeoutSeconds",
        "idleTimeoutSeconds",
    }
)
_DRAIN = {"preStop": {"httpGet": {"path": "/wait-for-drain", "port": 8022}}}
_ASKED_BY_QUEUE = ("httpGet", "tcpSocket", "grpc")


def pod_spec(revision: Revision, settings: Settings, digests: Mapping[str, str]) -> Object:
    """The pod spec. `digests` has, by container, the images that tags were resolved to."""
    spec = revision.spec
    made: Object = {
        key: value
        for key, value in spec.model_dump(mode="json", by_alias=True, exclude_defaults=True).items()
        if key not in _OURS
    }
    queue = queue_container(revision, settings)
    volumes = extra_volumes(revision, settings, queue)
    containers = [*_users(revision, digests), queue]
    if settings.observability.enable_var_log_collection:
        containers, logs = with_logs(containers)
        volumes.append(logs)
    made["containers"] = containers
    if volumes:
        made["volumes"] = [*made.get("volumes", ()), *volumes]
    if spec.timeout_seconds is not None:
        made["terminationGracePeriodSeconds"] = spec.timeout_seconds
    if spec.enable_service_links is None and settings.defaults.enable_service_links is not None:
        made["enableServiceLinks"] = settings.defaults.enable_service_links
    return _placed(made, revision, settings)


def _placed(made: Object, revision: Revision, settings: Settings) -> Object:
    """Where the pod may run, and in which runtime, where the user does not say."""
    deployment = settings.deployment
    if "affinity" not in made and deployment.default_affinity_type != "none":
        made["affinity"] = _spread(revision.metadata.name)
    if not made.get("runtimeClassName") and (name := deployment.runtime_class(revision.metadata.labels)):
        made["runtimeClassName"] = name
    return made


def _users(revision: Revision, digests: Mapping[str, str]) -> list[Object]:
    containers = revision.spec.containers
    alone = len(containers) == 1
    made = []
    for container in containers:
        serving = alone or bool(container.get("ports"))
        one = _container(container, revision, serving=serving)
        if digest := digests.get(container.get("name", "")):
            one["image"] = digest
        made.append(one)
    return made


def _container(container: Mapping[str, Any], revision: Revision, *, serving: bool) -> Object:
    made: Object = {k: v for k, v in container.items() if k not in ("stdin", "tty", "lifecycle")}
    port = user_port(revision)
    variables: dict[str, str] = {}
    if serving:
        made["ports"] = [{"name": "user-port", "containerPort": port}]
        variables["PORT"] = str(port)
    variables |= {
        "K_REVISION": revision.metadata.name,
        "K_CONFIGURATION": configuration_of(revision),
        "K_SERVICE": revision.metadata.labels.get(SERVICE_LABEL, ""),
    }
    added = [{"name": name, "value": value} if value else {"name": name} for name, value in variables.items()]
    made["env"] = [*(container.get("env") or ()), *added]
    made["lifecycle"] = _DRAIN
    made["terminationMessagePolicy"] = made.get("terminationMessagePolicy") or "FallbackToLogsOnError"
    readiness = made.get("readinessProbe")
    if readiness is not None and any(name in readiness for name in _ASKED_BY_QUEUE):
        del made["readinessProbe"]
    if serving and made.get("livenessProbe"):
        made["livenessProbe"] = _liveness(made["livenessProbe"], port)
    return made


def _liveness(probe: Object, port: int) -> Object:
    """Kubelet asks the user's container itself, where it listens."""
    for kind in ("httpGet", "tcpSocket"):
        if probe.get(kind) is not None:
            return {**probe, kind: {**probe[kind], "port": port}}
    return probe


def _spread(revision: str) -> Object:
    term = {
        "labelSelector": {"matchLabels": {REVISION_LABEL: revision}},
        "topologyKey": "kubernetes.io/hostname",
    }
    wish = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
