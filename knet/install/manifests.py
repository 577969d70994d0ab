"""Values → the objects of an installation, in the order in which a cluster can take them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import knet
from knet.control.component_certificates import ACTIVATOR_SECRET, AUTOSCALER_SECRET
from knet.control.definitions import definitions
from knet.control.operator_kinds import CONFIG_LABELS, hooks
from knet.dataplane.peers import AUTOSCALER
from knet.dataplane.queue_settings import CERTIFICATES
from knet.envoy.bootstrap import Bootstrap, ClientTls, Tcp, Unix
from knet.install import configmaps
from knet.install.values import Component, Mode, Values
from knet.model.network import SYSTEM_NAMESPACE
from knet.text import json, templates, yaml

Object = dict[str, Any]

GATEWAY_NAMESPACE = "kourier-system"
GATEWAY = "3scale-kourier-gateway"
OWN_GATEWAY = "knet-kourier-gateway"
"""The gateway beside net-kourier's own, whose place it takes."""
XDS_HOST = f"knet-xds.{SYSTEM_NAMESPACE}.svc.cluster.local"
WEBHOOK_HOST = f"knet-webhook.{SYSTEM_NAMESPACE}.svc"
NODE_CLUSTER = "kourier-knative"

_ENVOY, _XDS, _PEERS = Path("/etc/knet/envoy"), Path("/etc/knet/xds"), Path("/etc/knet/peers")

ROLES = ("controller", "autoscaler")
"""The components that have something to do in knative-serving itself."""
SECRETS = ("knet-ca", "knet-webhook", "knet-xds")
COMPONENT_SECRETS = (AUTOSCALER_SECRET, ACTIVATOR_SECRET)
"""What the controller keeps there: the authority, and certificates; with all of Serving those of its components."""

_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Gateway",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
_GATEWAY_CONFIGS = {"istio": "config-istio", "contour": "config-contour", "kourier": "config-kourier"}
_FILES = ("accounts", "roles", "services", "deployments", "policies", "webhooks")


def manifests(values: Values) -> list[Object]:
    """Everything that is installed, in order."""
    given = _given(values)
    names = ["namespaces", *_FILES]
    # Contour's own installation has all that its HTTPProxies need
    names += [gateway for gateway in values.gateways if gateway != "contour"]
    found = [item for name in names for item in _objects(f"install/{name}.yaml.j2", given)]
    found += _definitions(values)
    found += _config_maps(values)
    return sorted(found, key=lambda item: (_ORDER.index(item["kind"]), item["metadata"].get("namespace", "")))


def text(values: Values) -> str:
    """The same as YAML, for Git."""
    return yaml.dump_all(manifests(values))


def components(values: Values) -> dict[str, Component]:
    """The Deployments of knative-serving."""
    made: dict[str, Component] = {"controller": values.controller}
    if values.mode is Mode.FULL:
        made |= {"autoscaler": values.autoscaler, "activator": values.activator}
    return made


STATISTICS_PORT = 9000
"""As Kourier's."""


def arguments(values: Values) -> dict[str, list[str]]:
    """The command line of each component: what `knet` is given, and Envoy."""
    controller = [
        *("controller", "run"),
        *("--mode", str(values.mode)),
        *("--health", "http://0.0.0.0:8080/healthz"),
        *("--webhook-host", WEBHOOK_HOST),
        *("--webhook-port", "8443"),
        "--webhook-static",
        *("--identity", "$(POD_NAME)"),
        *("--gateway", str(values.gateway)),
        *(("--beside", values.beside) if values.beside else ()),
    ]
    if "kourier" in values.gateways:  # of the others' Envoys a Prometheus tells
        domain = f"{GATEWAY_NAMESPACE}.svc.cluster.local"
        controller += [
            *("--xds", "0.0.0.0:18000"),
            "--xds-tls",
            # of a headless Service: every gateway is probed, for each may ask another replica of the controller
            *("--http", f"kourier-statistics.{domain}:8080"),
            *("--internal", f"kourier-statistics.{domain}:8081"),
            *("--gateway-stats", f"kourier-statistics.{domain}:{STATISTICS_PORT}"),
        ]
    if values.mode is Mode.FULL:
        controller += ["--component-tls"]
    shown = ("--certificates", str(_PEERS))
    autoscaler = [
        *("autoscaler", "run"),
        *("--listen", "0.0.0.0:8080"),
        *("--reports", "0.0.0.0:8443"),
        *shown,
        *("--identity", "$(POD_NAME)"),
    ]
    activator = [
        *("activator", "run"),
        *("--host", "$(POD_IP)"),
        *("--internal-certificates", CERTIFICATES),
        *("--autoscaler", f"wss://{AUTOSCALER}:8443"),
        *shown,
        *("--directory", "/tmp/knet-activator"),  # noqa: S108 - a pod's own
    ]
    return {"controller": controller, "autoscaler": autoscaler, "activator": activator, "envoy": _envoy()}


def _envoy() -> list[str]:
    return [
        *("--config-path", "/etc/knet/envoy/bootstrap.json"),
        *("--service-node", "$(POD_NAME)"),
        *("--log-level", "warning"),
        # a refused RouteConfiguration makes Envoy warn once for each of all the others
        *("--component-log-level", "config:error"),
        *("--drain-strategy", "immediate"),
        "--disable-hot-restart",
    ]


def labels(component: str, provider: str = "") -> dict[str, str]:
    """Of every object of a component."""
    made = {
        "app.kubernetes.io/name": "knative-serving",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/version": knet.__version__,
        "app.kubernetes.io/managed-by": "knet",
    }
    return made | ({"networking.knative.dev/ingress-provider": provider} if provider else {})


def gateway_name(values: Values) -> str:
    """The name of Kourier's Deployment."""
    return OWN_GATEWAY if values.replace else GATEWAY


def bootstrap() -> Bootstrap:
    """Kourier's, and the files by which it follows its certificate."""
    tls = ClientTls(_XDS / "tls.crt", _XDS / "tls.key", _XDS / "ca.crt", XDS_HOST, watched=_ENVOY)
    admin = Unix(Path("/tmp/envoy.admin"))  # noqa: S108 - a pod's own
    # without an id: each Envoy is given its pod's name
    told = Tcp("0.0.0.0", STATISTICS_PORT)  # noqa: S104 - the controller asks; /stats alone, and read only
    return Bootstrap("", Tcp(XDS_HOST, 18000), admin, NODE_CLUSTER, tls, statistics=told)


def _given(values: Values) -> dict[str, Any]:
    boot = bootstrap()
    files = {"bootstrap.json": boot.text(), **boot.files()}
    return {
        "values": values,
        "version": knet.__version__,
        "components": list(components(values)),
        "arguments": arguments(values),
        "roles": ROLES,
        "secrets": (*SECRETS, *(COMPONENT_SECRETS if values.mode is Mode.FULL else ())),
        "peers": str(_PEERS),
        "certificates": CERTIFICATES,
        "labels": lambda component, provider="": _flow(labels(component, provider)),
        "common": _block(labels("namespace")),
        "validating": list(hooks(mutating=False)),
        "mutating": list(hooks(mutating=True)),
        "config_labels": CONFIG_LABELS,
        "pod": _block(_pod(values)),
        "container": _block(_CONTAINER),
        "gateway_name": gateway_name(values),
        "files": {name: text.rstrip("\n") for name, text in files.items()},
        "bootstrap_hash": json.digest(files),
    }


_CONTAINER: Object = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}


def _pod(values: Values) -> Object:
    """What every pod says, whatever runs in it."""
    made: Object = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "enableServiceLinks": False,
    }
    if values.pull_secrets:
        made["imagePullSecrets"] = [{"name": name} for name in values.pull_secrets]
    if values.node_selector:
        made["nodeSelector"] = values.node_selector
    if values.tolerations:
        made["tolerations"] = list(values.tolerations)
    if values.priority_class:
        made["priorityClassName"] = values.priority_class
    return made


def _objects(template: str, given: dict[str, Any]) -> Iterator[Object]:
    for document in yaml.load_all(templates.render(template, **given).encode()):
        if document.data:
            yield document.data


def _definitions(values: Values) -> list[Object]:
    """The kinds; beside an upstream Serving, which has its own, only those that it has not."""
    made = definitions()
    if values.mode is Mode.INGRESS_ONLY:
        made = [item for item in made if item["spec"]["group"].endswith("knet.dev")]
    for item in made:
        item["metadata"]["labels"] = {**(item["metadata"].get("labels") or {}), **labels("definitions")}
    return made


def _config_maps(values: Values) -> Iterator[Object]:
    known = configmaps.keys()
    own = {_GATEWAY_CONFIGS[gateway]: gateway for gateway in values.gateways}
    others = {name for name in _GATEWAY_CONFIGS.values() if name not in own}
    written = settings(values)
    for name, entries in known.items():
        if name in others:
            continue
        if values.mode is Mode.INGRESS_ONLY and name not in own:
            if name in written:  # Serving's own map: one key of ours in it
                yield _map(name, written[name])
            continue
        example = configmaps.example(entries)
        made = _map(name, {configmaps.EXAMPLE: example, **written.get(name, {})})
        made["metadata"]["labels"] = labels("config", own.get(name, ""))
        made["metadata"]["annotations"] = {configmaps.CHECKSUM: configmaps.checksum(example)}
        yield made


def settings(values: Values) -> dict[str, dict[str, str]]:
    """By ConfigMap, the keys that the installation decides; users may change every one of them afterwards."""
    made: dict[str, dict[str, str]] = {"config-network": {"ingress-class": values.ingress_class}}
    if values.mode is Mode.FULL:
        made["config-deployment"] = {"queue-sidecar-image": values.image}
        if values.domain:
            made["config-domain"] = {values.domain: ""}
    for name, data in values.config.items():
        made[name] = {**made.get(name, {}), **data}
    return made


def _map(name: str, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "data": data,
    }


def _flow(data: Any) -> str:
    return json.dumps(data).decode()


def _block(data: Object) -> str:
    """A mapping as lines `key: JSON`, to stand in YAML at any depth."""
    return "\n".join(f"{key}: {_flow(value)}" for key, value in data.items())
