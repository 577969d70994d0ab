"""KIngresses, Services, slices and Secrets for tests on a live gateway, as plain data."""

from __future__ import annotations

from typing import Any

import apps
from knet.model import core, kingress
from strategies import key_pair, make_pair
from support import CLASSES

NAMESPACE = "default"
EXTERNAL, LOCAL = kingress.EXTERNAL, kingress.CLUSTER_LOCAL


def split(
    service: str, percent: int = 100, headers: dict[str, str] | None = None, port: Any = 80
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "serviceNamespace": NAMESPACE, "serviceName": service, "servicePort": port, "percent": percent,
    }  # fmt: skip
    return {**made, "appendHeaders": headers} if headers else made


def path(*splits: dict[str, Any], prefix: str = "", **more: Any) -> dict[str, Any]:
    """A path; `more` may hold headers, appendHeaders, rewriteHost."""
    return {"path": prefix, "splits": list(splits), **more} if prefix else {"splits": list(splits), **more}


def rule(hosts: list[str], *paths: dict[str, Any], visibility: str = EXTERNAL) -> dict[str, Any]:
    return {"hosts": hosts, "visibility": visibility, "http": {"paths": list(paths)}}


def ingress(name: str, *rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A KIngress of kourier's class; `spec` may hold tls and httpOption."""
    return {
        "apiVersion": kingress.API_VERSION,
        "kind": kingress.KIND,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {kingress.LEGACY_CLASS_ANNOTATION: CLASSES["kourier"]},
        },
        "spec": {"httpOption": "Enabled", **spec, "rules": list(rules)},
    }


def service(name: str, port: int, *, port_name: str = "http", app_protocol: str = "") -> list[dict[str, Any]]:
    """A Service on port 80 and the slice that leads to a port of this machine."""
    meta = {"name": name, "namespace": NAMESPACE}
    entry = {"name": port_name, "port": 80, "targetPort": port, "protocol": "TCP"}
    if app_protocol:
        entry["appProtocol"] = app_protocol
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [entry]}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "name": f"{name}-x", "labels": {core.SERVICE_NAME_LABEL: name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [apps.ADDRESS], "conditions": {"ready": True}}],
            "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        },
    ]


def external_name(name: str, target: str, port: int) -> dict[str, Any]:
    """A Service that stands for a DNS name."""
    ports = [{"name": "http", "port": port, "targetPort": port}]
    spec = {"type": "ExternalName", "externalName": target, "ports": ports}
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def secret(name: str, *hosts: str, rsa: bool = False, fresh: bool = False) -> dict[str, Any]:
    """A TLS Secret with a self-signed certificate for `hosts` (ECDSA unless `rsa`; `fresh`: a new one)."""
    known = "-".join((name, *hosts))
    chain, key = make_pair(known, hosts, rsa=rsa) if fresh or rsa else key_pair(known, hosts)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"},
        "stringData": {"tls.crt": chain, "tls.key": key},
    }


def config_map(name: str, namespace: str = "knative-serving", **data: str) -> dict[str, Any]:
    """A ConfigMap; `_` in keys stands for `-`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key.replace("_", "-"): value for key, value in data.items()},
    }


def tls(secret_name: str, *hosts: str) -> dict[str, Any]:
    return {"hosts": list(hosts), "secretName": secret_name, "secretNamespace": NAMESPACE}
