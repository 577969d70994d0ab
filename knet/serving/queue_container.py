"""The queue-proxy that stands before every revision's container (facts/serving.md 47, facts/knative.md A.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import SERVICE_LABEL, Revision
from knet.serving import queue_probes, queue_resources
from knet.serving.settings import Settings
from knet.text import json

Object = dict[str, Any]

NAME = "queue-proxy"
IMAGE = "knet.dev/queue-proxy"
"""Where config-deployment names none."""
H1_PORT, H2C_PORT, TLS_PORT, PROFILING_PORT = 8012, 8013, 8112, 8008
FULL_DUPLEX = "features.knative.dev/http-full-duplex"
POD_INFO = "features.knative.dev/queueproxy-podinfo"

_DEFAULT_USER_PORT = 8080
_SECURITY = {
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def serving_container(revision: Revision) -> Mapping[str, Any]:
    """The container that requests go to: the one that has a port, or the only one."""
    containers = revision.spec.containers
    return next((c for c in containers if c.get("ports")), containers[0])


def user_port(revision: Revision) -> int:
    """Where it listens."""
    ports = serving_container(revision).get("ports") or [{}]
    return int(ports[0].get("containerPort") or _DEFAULT_USER_PORT)


def queue_container(revision: Revision, settings: Settings) -> Object:
    """The container, without the volumes that features give it."""
    serving = serving_container(revision)
    port = H2C_PORT if revision.spec.h2c else H1_PORT
    made: Object = {
        "name": NAME,
        "image": settings.deployment.queue_sidecar_image or IMAGE,
        "ports": _ports(port, settings),
        "env": [_variable(name, value) for name, value in _environment(revision, settings, port).items()],
        "resources": queue_resources.resources(
            settings.deployment,
            revision.metadata.annotations,
            serving.get("resources") or {},
            defaults=settings.features.flag("queueproxy.resource-defaults") == "enabled",
        ),
    }
    probe = queue_probes.kubelets(serving.get("readinessProbe"), port)
    if probe is not None:
        made["readinessProbe"] = probe
    return {**made, "securityContext": _SECURITY}


def _ports(port: int, settings: Settings) -> list[Object]:
    named = {"http-autometric": 9090, "http-usermetric": 9091}
    if settings.observability.profiling == "enabled":
        named["profiling-port"] = PROFILING_PORT
    named |= {"queue-port": port, "https-port": TLS_PORT}
    return [{"name": name, "containerPort": number} for name, number in named.items()]


def _environment(revision: Revision, settings: Settings, port: int) -> dict[str, str | Object]:
    """In Knative's order; what is empty is there without a value."""
    meta, spec = revision.metadata, revision.spec
    deployment, features = settings.deployment, settings.features
    several = _several(revision, settings)
    full_duplex = meta.annotations.get(FULL_DUPLEX, "").lower() == "enabled"
    return {
        "SERVING_NAMESPACE": meta.namespace,
        "SERVING_SERVICE": meta.labels.get(SERVICE_LABEL, ""),
        "SERVING_CONFIGURATION": configuration_of(revision),
        "SERVING_REVISION": meta.name,
        "QUEUE_SERVING_PORT": str(port),
        "QUEUE_SERVING_TLS_PORT": str(TLS_PORT),
        "CONTAINER_CONCURRENCY": str(spec.container_concurrency or 0),
        "REVISION_TIMEOUT_SECONDS": str(spec.timeout_seconds or 0),
        "REVISION_RESPONSE_START_TIMEOUT_SECONDS": str(spec.response_start_timeout_seconds or 0),
        "REVISION_IDLE_TIMEOUT_SECONDS": str(spec.idle_timeout_seconds or 0),
        "SERVING_POD": {"fieldPath": "metadata.name"},
        "SERVING_POD_IP": {"fieldPath": "status.podIP"},
        "SERVING_LOGGING_CONFIG": settings.logging.config,
        "SERVING_LOGGING_LEVEL": settings.logging.levels.get("queueproxy", "").lower(),
        "USER_PORT": str(user_port(revision)),
        "SYSTEM_NAMESPACE": SYSTEM_NAMESPACE,
        "SERVING_READINESS_PROBE": _probes(revision, several=several),
        "HOST_IP": {"apiVersion": "v1", "fieldPath": "status.hostIP"},
        "ENABLE_HTTP2_AUTO_DETECTION": _bool(features.flag("autodetect-http2") == "enabled"),
        "ENABLE_HTTP_FULL_DUPLEX": _bool(full_duplex),
        "ROOT_CA": deployment.queue_root_ca,
        "QUEUE_PROXY_TLS_MIN_VERSION": deployment.queue_tls_min_version,
        "QUEUE_PROXY_TLS_MAX_VERSION": deployment.queue_tls_max_version,
        "QUEUE_PROXY_TLS_CIPHER_SUITES": deployment.queue_tls_cipher_suites,
        "QUEUE_PROXY_TLS_CURVE_PREFERENCES": deployment.queue_tls_curve_preferences,
        "ENABLE_MULTI_CONTAINER_PROBES": _bool(several),
        "OBSERVABILITY_CONFIG": json.go(settings.observability.data()).decode(),
    }


def configuration_of(revision: Revision) -> str:
    """The Configuration that made it; empty if none did."""
    owners = (o for o in revision.metadata.owner_references if o.controller and o.kind == "Configuration")
    return next((o.name for o in owners), "")


def _several(revision: Revision, settings: Settings) -> bool:
    on = settings.features.flag("multi-container-probing") == "enabled"
    return on and any(c.get("readinessProbe") for c in revision.spec.containers)


def _probes(revision: Revision, *, several: bool) -> str:
    port, serving = user_port(revision), serving_container(revision)
    if several:
        # a command in a sidecar is kubelet's alone: no port says what it would
        asked = [c for c in revision.spec.containers if c is serving or not _commanded(c)]
        return queue_probes.told([(c, port) for c in asked], several=True)
    return queue_probes.told([(serving, port)], several=False)


def _commanded(container: Mapping[str, Any]) -> bool:
    return (container.get("readinessProbe") or {}).get("exec") is not None


def _variable(name: str, value: str | Object) -> Object:
    if isinstance(value, dict):
        return {"name": name, "valueFrom": {"fieldRef": value}}
    return {"name": name, "value": value} if value else {"name": name}


def _bool(value: bool) -> str:
    return "true" if value else "false"
