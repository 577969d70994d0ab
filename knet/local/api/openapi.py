"""OpenAPI v2 and v3 documents: as much as `kubectl apply`, `diff`, `explain` and its validation read.

Schemas of built-in kinds come from `types.txt`, those of the others from their CustomResourceDefinition. Paths
hold what clients look for in them: the PATCH of each kind with the query parameters that it understands (kubectl
asks for dryRun and fieldValidation there) and its GET (by whose path `explain` finds a kind).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from knet.local.api import openapi_types as types
from knet.local.api.crd_schema import for_openapi_v2
from knet.local.api.kinds import Kind
from knet.text import json

Document = dict[str, Any]

_V2_HOME, _V3_HOME = "#/definitions/", "#/components/schemas/"
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
_GVK = "x-kubernetes-group-version-kind"
_INFO = {"title": "Kubernetes", "version": "knet"}


def v2(kinds: Iterable[Kind]) -> Document:
    """The document of all kinds, as /openapi/v2 serves it (in JSON, or by `openapi_proto`)."""
    served = list(kinds)
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": _paths(served, {"type": "string", "uniqueItems": True}, inline=True),
        "definitions": _schemas(served, _V2_HOME),
    }


def v3_index(kinds: Iterable[Kind]) -> Document:
    """What /openapi/v3 answers: where each group's document is; the address changes when its content does."""
    return {
        "paths": {
            at: {"serverRelativeURL": f"/openapi/v3/{at}?hash={_hash(group)}"}
            for at, group in sorted(_groups(kinds).items())
        }
    }


def v3(kinds: Iterable[Kind], at: str) -> Document | None:
    """The document of one group and version; `at` is `api/v1`, `apis/apps/v1`; None if nothing is served there."""
    group = _groups(kinds).get(at)
    if group is None:
        return None
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": _paths(group, {"schema": {"type": "string", "uniqueItems": True}}, inline=False),
        "components": {"schemas": _schemas(group, _V3_HOME)},
    }


def _groups(kinds: Iterable[Kind]) -> dict[str, list[Kind]]:
    found: dict[str, list[Kind]] = {}
    for kind in kinds:
        found.setdefault(("apis/" if kind.group else "api/") + kind.api_version, []).append(kind)
    return found


def _hash(kinds: list[Kind]) -> str:
    said = [(kind.plural, kind.kind, kind.schema) for kind in kinds]
    return hashlib.sha256(json.canonical(said)).hexdigest().upper()


def _schemas(kinds: list[Kind], home: str) -> Document:
    roots = {types.type_name(k.group, k.version, k.kind): k for k in kinds if k.schema is None}
    # /scale is answered with it, and `delete` sends the other
    wanted = {"meta.v1.DeleteOptions", "autoscaling.v1.Scale"} | {name for name in roots if name}
    if any(kind.schema is not None for kind in kinds):
        wanted.add("meta.v1.ObjectMeta")
    made: Document = {}
    for name in types.closure(wanted):
        schema = types.schema(name, home)
        made[types.full_name(name)] = schema | _kind_of(roots[name]) if name in roots else schema
    for kind in kinds:
        if kind.schema is not None:
            made[_custom_name(kind)] = _custom(kind.schema, home) | _kind_of(kind)
    return made


def _custom_name(kind: Kind) -> str:
    """`dev.knative.serving.v1.Service`: a group is read backwards."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _custom(schema: Document, home: str) -> Document:
    body = for_openapi_v2(schema) if home == _V2_HOME else schema
    if "properties" not in body:
        return dict(body)
    meta = {"$ref": home + types.full_name("meta.v1.ObjectMeta")}
    given = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": meta if home == _V2_HOME else {"allOf": [meta]},
    }
    return {**body, "properties": {**body["properties"], **given}}


def _kind_of(kind: Kind) -> Document:
    return {_GVK: [{"group": kind.group, "kind": kind.kind, "version": kind.version}]}


def _paths(kinds: list[Kind], typed: Document, *, inline: bool) -> Document:
    return {_path(kind): _operations(kind, typed, inline=inline) for kind in kinds}


def _path(kind: Kind) -> str:
    base = ("/apis/" if kind.group else "/api/") + kind.api_version
    return f"{base}{'/namespaces/{namespace}' if kind.namespaced else ''}/{kind.plural}/{{name}}"


def _operations(kind: Kind, typed: Document, *, inline: bool) -> Document:
    about = {_GVK: {"group": kind.group, "kind": kind.kind, "version": kind.version}}
    done = {"responses": {"200": {"description": "OK"}}}
    queries = [{"name": name, "in": "query", **typed} for name in _PARAMETERS]
    body = [{"name": "body", "in": "body", "required": True, "schema": {"type": "object"}}] if inline else []
    return {
        "get": {"x-kubernetes-action": "get", **about, **done},
        "patch": {"x-kubernetes-action": "patch", **about, "parameters": [*body, *queries], **done},
    }
