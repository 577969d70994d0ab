"""What is kept of an object that a gateway is programmed by: enough to tell whether a write is needed.

10,000 KIngresses make 80,000 HTTPProxies; kept whole they would take a gigabyte, as digests 40 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.kube.apply import MANAGER
from knet.kube.objects import controller_of
from knet.model.kingress import KIND
from knet.routing.table import Key
from knet.text import json

Object = dict[str, Any]
Ref = tuple[str, str, str]
"""(kind, namespace, name)."""
_INSTALLED = ("app.kubernetes.io/managed-by", "knet")
"""The label of what `knet install` made, with the same field manager: Istio's shared Gateways, which are no KIngress's."""


def ref_of(item: Mapping[str, Any]) -> Ref:
    meta = item["metadata"]
    return item["kind"], meta.get("namespace", ""), meta["name"]


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was read last.

    `digest` covers what knet would apply: spec or data, and those labels, annotations and owners that it owns by the
    field manager. `ours`: knet has applied it at least once, and not as part of the installation. `parent` is the KIngress that controls it, if one does.
    `rest` is what its gateway's rules look at besides (`knet.control.objects.gateways`).
    """

    uid: str
    version: str
    digest: bytes
    ours: bool
    parent: Key | None
    rest: Mapping[str, Any] = field(default_factory=dict)


def seen_of(item: Object, rest: Mapping[str, Any] | None = None) -> Seen:
    """What is kept of an object out of the API."""
    meta = item["metadata"]
    fields = _owned(meta.get("managedFields") or ())
    about = fields.get("f:metadata") or {}
    owned = {
        "labels": _named(meta.get("labels"), about.get("f:labels")),
        "annotations": _named(meta.get("annotations"), about.get("f:annotations")),
        "ownerReferences": _listed(meta.get("ownerReferences"), about.get("f:ownerReferences")),
    }
    parent = controller_of(item, KIND)
    return Seen(
        meta.get("uid", ""),
        str(meta.get("resourceVersion", "")),
        _digest(item, owned),
        bool(fields) and _INSTALLED not in (meta.get("labels") or {}).items(),
        (meta.get("namespace", ""), parent) if parent else None,
        rest or {},
    )


def digest_of(desired: Object) -> bytes:
    """The digest that `Seen` of an object has once it is as `desired`."""
    meta = desired["metadata"]
    owned = {
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
        "ownerReferences": meta.get("ownerReferences") or [],
    }
    return _digest(desired, owned)


def _digest(item: Object, metadata: Mapping[str, Any]) -> bytes:
    content = {"spec": item.get("spec"), "data": item.get("data"), "type": item.get("type")}
    return hashlib.blake2b(json.canonical({**content, **metadata}), digest_size=16).digest()


def _owned(managed: Any) -> Mapping[str, Any]:
    """The fields that knet has applied."""
    for entry in managed:
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply":
            found: Mapping[str, Any] = entry.get("fieldsV1") or {"f:metadata": {}}
            return found
    return {}


def _named(values: Mapping[str, str] | None, fields: Mapping[str, Any] | None) -> dict[str, str]:
    return {k: v for k, v in (values or {}).items() if f"f:{k}" in (fields or {})}


def _listed(owners: Any, fields: Mapping[str, Any] | None) -> list[Any]:
    return [o for o in owners or () if f'k:{{"uid":"{o["uid"]}"}}' in (fields or {})]
