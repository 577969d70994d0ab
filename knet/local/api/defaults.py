"""Defaults of built-in kinds, as a real API server fills them in (kubernetes.io: API reference)."""

from __future__ import annotations

import base64
from typing import Any

Object = dict[str, Any]

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_CONTAINERS = ("initContainers", "containers")
_COUNTED = {"cpu", "memory"}


def pod(item: Object) -> None:
    spec = item.setdefault("spec", {})
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    held = spec.setdefault("tolerations", [])
    for trouble in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{trouble}"
        if not any(t.get("key", key) == key and t.get("effect", "NoExecute") == "NoExecute" for t in held):
            held.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    containers = [c for field in _CONTAINERS for c in spec.get(field) or ()]
    for container in containers:
        resources = container["resources"]
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **(resources.get("requests") or {})}
    status = item.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", _quality(containers))


def _quality(containers: list[Object]) -> str:
    """The quality of service (kubernetes.io: pod quality of service classes)."""
    asked = [
        (r.get("requests") or {}, {k: v for k, v in (r.get("limits") or {}).items() if k in _COUNTED})
        for r in (c["resources"] for c in containers)
    ]
    if not any(limits or _COUNTED & requests.keys() for requests, limits in asked):
        return "BestEffort"
    equal = all(
        len(limits) == len(_COUNTED) and limits.items() <= requests.items() for requests, limits in asked
    )
    return "Guaranteed" if equal else "Burstable"


def pod_spec(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for field in _CONTAINERS:
        for container in spec.get(field) or ():
            _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(item: Object) -> None:
    image = str(item.get("image", "")).rpartition("/")[2]
    latest = "@" not in image and (":" not in image or image.endswith(":latest"))
    item.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    item.setdefault("resources", {})
    item.setdefault("terminationMessagePath", "/dev/termination-log")
    item.setdefault("terminationMessagePolicy", "File")
    for port in item.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := item.get(name):
            for field, value in _PROBE.items():
                probe[field] = probe.get(field) or value
            _handler(probe)
    for hook in (item.get("lifecycle") or {}).values():
        _handler(hook or {})
    for variable in item.get("env") or ():
        if ref := (variable.get("valueFrom") or {}).get("fieldRef"):
            ref.setdefault("apiVersion", "v1")


def _handler(item: Object) -> None:
    if get := item.get("httpGet"):
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")
    if call := item.get("grpc"):
        call.setdefault("service", "")


def _volume(item: Object) -> None:
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        if source := item.get(name):
            source.setdefault("defaultMode", 0o644)
    if not any(key != "name" for key in item):
        item["emptyDir"] = {}


def template(item: Object) -> None:
    item.setdefault("metadata", {})
    pod_spec(item.setdefault("spec", {}))


def replica_set(item: Object) -> None:
    spec = item.setdefault("spec", {})
    spec["replicas"] = 1 if spec.get("replicas") is None else spec["replicas"]
    template(spec.setdefault("template", {}))
    item.setdefault("status", {}).setdefault("replicas", 0)


def deployment(item: Object) -> None:
    spec = item.setdefault("spec", {})
    spec["replicas"] = 1 if spec.get("replicas") is None else spec["replicas"]
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    template(spec.setdefault("template", {}))
    item.setdefault("status", {})


def service(item: Object) -> None:
    spec = item.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    item.setdefault("status", {}).setdefault("loadBalancer", {})


def secret(item: Object) -> None:
    """`stringData` is folded into `data`."""
    item.setdefault("type", "Opaque")
    text = item.pop("stringData", None) or {}
    if text:
        data = item["data"] = dict(item.get("data") or {})
        for key, value in text.items():
            data[key] = base64.b64encode(str(value).encode()).decode()


def namespace(item: Object) -> None:
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {}).setdefault("phase", "Active")


def endpoint_slice(item: Object) -> None:
    for endpoint in item.get("endpoints") or ():
        endpoint.setdefault("conditions", {})
    for port in item.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")


def endpoints(item: Object) -> None:
    for subset in item.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def autoscaler(item: Object) -> None:
    spec = item.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    target = {"type": "Utilization", "averageUtilization": 80}
    spec.setdefault("metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    item.setdefault("status", {}).setdefault("desiredReplicas", 0)
    item["status"].setdefault("currentMetrics", None)


def budget(item: Object) -> None:
    status = item.setdefault("status", {})
    for count in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"):
        status.setdefault(count, 0)


def network_policy(item: Object) -> None:
    spec = item.get("spec") or {}
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def webhooks(item: Object) -> None:
    for hook in item.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        if item["kind"].startswith("Mutating"):
            hook.setdefault("reinvocationPolicy", "Never")
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")
        if service := (hook.get("clientConfig") or {}).get("service"):
            service.setdefault("port", 443)
