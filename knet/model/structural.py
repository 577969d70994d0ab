"""Structural OpenAPI schemas of our kinds, for their CustomResourceDefinitions, out of the models themselves.

Kubernetes takes a part of OpenAPI only (kubernetes.io: structural schemas): no references, a type everywhere,
what is open marked so. Rules across fields are the webhooks' to check, in Knative's words.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from knet.model.domainmapping import DomainMapping
from knet.model.network_certificate import Certificate
from knet.model.serving import Configuration, KService, Revision, Route

Schema = dict[str, Any]

OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}
_KEPT = ("type", "enum", "description", "format")
_TEXT: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_REFERENCE: Schema = {
    "type": "object",
    "properties": {"apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT, "namespace": _TEXT},
}

_SPECS: dict[str, dict[str, Schema]] = {
    "ClusterDomainClaim": {"namespace": _TEXT},
    "ServerlessService": {
        "mode": {"type": "string", "enum": ["Serve", "Proxy"]},
        "objectRef": _REFERENCE,
        "protocolType": _TEXT,
        "numActivators": _INTEGER,
    },
    "PodAutoscaler": {
        "containerConcurrency": _INTEGER,
        "scaleTargetRef": _REFERENCE,
        "reachability": _TEXT,
        "protocolType": _TEXT,
    },
    "Metric": {"stableWindow": _INTEGER, "panicWindow": _INTEGER, "scrapeTarget": _TEXT},
    "Image": {
        "image": _TEXT,
        "serviceAccountName": _TEXT,
        "imagePullSecrets": {"type": "array", "items": OPEN},
    },
}
"""Specs of the kinds that people do not write (facts/knative.md A.1)."""

_MODELS = (KService, Configuration, Revision, Route, DomainMapping, Certificate)


def schemas() -> dict[str, Schema]:
    """By kind, the schema of its objects."""
    made = {model.model_fields["kind"].default: structural(model) for model in _MODELS}
    for kind, spec in _SPECS.items():
        made[kind] = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": spec}, "status": OPEN},
        }
    return made


def structural(model: type[BaseModel]) -> Schema:
    """The schema of one of our models; `metadata` is the API server's own, the status is open."""
    made = model.model_json_schema(by_alias=True)
    fields = made["properties"]
    spec = _plain(fields["spec"], made.get("$defs", {}))
    return {"type": "object", "properties": {"spec": spec, "status": OPEN}}


def _plain(schema: Schema, known: dict[str, Schema]) -> Schema:
    """One schema without references, defaults and titles."""
    if "$ref" in schema:
        return _plain(known[schema["$ref"].rpartition("/")[2]], known)
    options = schema.get("anyOf")
    if options:
        types = [option for option in options if option.get("type") != "null"]
        if {option.get("type") for option in types} == {"integer", "string"}:
            return dict(_INT_OR_STRING)
        return _plain(types[0], known)
    made: Schema = {key: schema[key] for key in _KEPT if key in schema and key != "description"}
    if schema.get("type") == "array":
        made["items"] = _plain(schema.get("items") or OPEN, known)
    if schema.get("type") == "object":
        more = schema.get("additionalProperties")
        if "properties" in schema:
            made["properties"] = {name: _plain(part, known) for name, part in schema["properties"].items()}
        elif isinstance(more, dict):
            made["additionalProperties"] = _plain(more, known)
        else:
            made |= OPEN
    return made
