"""The synthetic set of golden/README.md: N KIngresses with four rules, a 90/10 split, two addresses each."""

from __future__ import annotations

from typing import Any

from knet.model import core, kingress
from knet.routing.world import World

CLASS = "{}.ingress.networking.knative.dev"


def ingress(index: int, gateway: str, canary: int = 10) -> dict[str, Any]:
    """One KIngress as plain data: external, local in three names, tag external, tag local in three."""
    name = f"svc-{index:05d}"

    def splits() -> list[dict[str, Any]]:
        return [
            {
                "serviceNamespace": "default",
                "serviceName": f"{name}-0000{revision}",
                "servicePort": 80,
                "percent": percent,
                "appendHeaders": {
                    "Knative-Serving-Namespace": "default",
                    "Knative-Serving-Revision": f"{name}-0000{revision}",
                },
            }
            for revision, percent in ((1, 100 - canary), (2, canary))
        ]

    def rule(hosts: list[str], visibility: str) -> dict[str, Any]:
        return {"hosts": hosts, "visibility": visibility, "http": {"paths": [{"splits": splits()}]}}

    def local(host: str) -> list[str]:
        return [f"{host}.default{suffix}" for suffix in ("", ".svc", ".svc.cluster.local")]

    return {
        "apiVersion": kingress.API_VERSION,
        "kind": kingress.KIND,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"00000000-0000-4000-8000-{index:012d}",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {kingress.LEGACY_CLASS_ANNOTATION: CLASS.format(gateway)},
            "labels": {
                "serving.knative.dev/route": name,
                "serving.knative.dev/routeNamespace": "default",
                "serving.knative.dev/service": name,
            },
        },
        "spec": {
            "httpOption": "Enabled",
            "rules": [
                rule([f"{name}.default.example.com"], kingress.EXTERNAL),
                rule(local(name), kingress.CLUSTER_LOCAL),
                rule([f"tag-{name}.default.example.com"], kingress.EXTERNAL),
                rule(local(f"tag-{name}"), kingress.CLUSTER_LOCAL),
            ],
        },
    }


def backends(index: int) -> list[dict[str, Any]]:
    """The Services and EndpointSlices of one KIngress, as plain data."""
    made: list[dict[str, Any]] = []
    for revision in (1, 2):
        name = f"svc-{index:05d}-0000{revision}"
        meta = {"name": name, "namespace": "default"}
        ports = [{"name": "http", "port": 80, "targetPort": 8012, "protocol": "TCP"}]
        made.append({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}})
        addresses = [f"10.{revision}.{index // 250}.{index % 250 + 1}", f"10.{revision + 2}.{index // 250}.1"]
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "name": f"{name}-x", "labels": {core.SERVICE_NAME_LABEL: name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
                "ports": [{"name": "http", "port": 8012, "protocol": "TCP"}],
            }
        )
    return made


def world(count: int, gateway: str, canary: int = 10) -> World:
    """A World of `count` parsed KIngresses of a gateway's class, with their Services and slices."""
    ingresses = {}
    services: dict[Any, Any] = {}
    slices: dict[Any, Any] = {}
    for i in range(count):
        made = kingress.parse(ingress(i, gateway, canary))
        ingresses[made.key] = made
        for data in backends(i):
            item = core.parse(data)
            if isinstance(item, core.EndpointSlice):
                slices[item.service] = (item,)
            else:
                services[item.key] = item
    return World(ingresses, services, slices)
