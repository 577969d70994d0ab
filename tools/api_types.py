# ruff: noqa: INP001 - a script
"""Writes knet/local/api/types.txt: the names and types of Kubernetes's fields, from a server's own OpenAPI.

    python tools/api_types.py SWAGGER.json > knet/local/api/types.txt

SWAGGER.json is what `kubectl get --raw /openapi/v2` of a real API server prints (`make api-tools` builds
one). Facts only: names, types, required fields, merge strategies; none of its prose. The notation is explained
where it is read, in knet/local/api/openapi_types.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knet.text import json

KINDS = {
    "core.v1": "Namespace Node Pod Service Endpoints ConfigMap Secret ServiceAccount Event",
    "apps.v1": "Deployment ReplicaSet",
    "authentication.v1": "SelfSubjectReview",
    "authorization.v1": "SelfSubjectAccessReview SelfSubjectRulesReview",
    "autoscaling.v1": "Scale",
    "autoscaling.v2": "HorizontalPodAutoscaler",
    "coordination.v1": "Lease",
    "discovery.v1": "EndpointSlice",
    "events.v1": "Event",
    "networking.v1": "NetworkPolicy",
    "policy.v1": "PodDisruptionBudget Eviction",
    "rbac.v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "admissionregistration.v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiextensions.v1": "CustomResourceDefinition",
    "meta.v1": "Status DeleteOptions",
}

PREFIXES = (
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.apimachinery.pkg.apis.",
    "io.k8s.apimachinery.pkg.api.",
    "io.k8s.apimachinery.pkg.util.",
    "io.k8s.apimachinery.pkg.",
    "io.k8s.api.",
)


def short(name: str) -> str:
    """`io.k8s.api.core.v1.Pod` → `core.v1.Pod`."""
    return next((name.removeprefix(p) for p in PREFIXES if name.startswith(p)), name)


def types(swagger: dict[str, Any]) -> Iterator[str]:
    """One line for each type that the roots need, sorted."""
    definitions = {short(name): body for name, body in swagger["definitions"].items()}
    known: dict[str, str] = {}
    todo = [f"{group}.{kind}" for group, kinds in KINDS.items() for kind in kinds.split()]
    while todo:
        name = todo.pop()
        if name not in known:
            known[name] = line(name, definitions[name])
            todo += references(definitions[name])
    yield from (known[name] for name in sorted(known))


def line(name: str, body: dict[str, Any]) -> str:
    """`NAME FIELD:TYPE ...` of an object (a required field is `FIELD!`), `NAME = TYPE` of anything else."""
    if "properties" not in body:
        return f"{name} = {notation(body)}"
    required = set(body.get("required", ()))
    fields = [
        f"{key}{'!' * (key in required)}:{notation(p)}" for key, p in sorted(body["properties"].items())
    ]
    atomic = ["atomic"] if body.get("x-kubernetes-map-type") == "atomic" else []
    return " ".join([name, *atomic, *fields])


def notation(schema: dict[str, Any]) -> str:
    """What a field holds, and how lists and maps of it merge."""
    if isinstance(schema.get("$ref"), str):
        text = short(schema["$ref"].rsplit("/", 1)[1])
    elif schema.get("type") == "array":
        text = f"[{notation(schema['items'])}]"
    elif "additionalProperties" in schema:
        text = "{" + notation(schema["additionalProperties"]) + "}"
    else:
        text = "/".join(part for part in (schema.get("type", "any"), schema.get("format", "")) if part)
    if schema.get("x-kubernetes-map-type") == "atomic":
        text += "=atomic"
    if kind := schema.get("x-kubernetes-list-type"):
        text += "=" + "|".join([kind, *schema.get("x-kubernetes-list-map-keys", ())])
    if strategy := schema.get("x-kubernetes-patch-strategy"):
        text += "~" + "|".join([strategy, *filter(None, [schema.get("x-kubernetes-patch-merge-key")])])
    return text


def references(schema: Any) -> Iterator[str]:
    """The types that a schema names."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield short(schema["$ref"].rsplit("/", 1)[1])
        for part in schema.values():
            yield from references(part)


if __name__ == "__main__":
    sys.stdout.write("\n".join(types(json.loads(Path(sys.argv[1]).read_bytes()))) + "\n")
