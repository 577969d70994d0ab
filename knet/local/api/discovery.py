"""Discovery: which groups, versions and kinds are served (kubernetes.io: API discovery; KEP 3352, aggregated)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from knet.local.api.kinds import Kind

Document = dict[str, Any]

AGGREGATED = "apidiscovery.k8s.io"
_NUMBER = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?\Z")
_STABILITY = {None: 2, "beta": 1, "alpha": 0}

# subresource → the kind that it takes and gives (None: the one that it belongs to), and its verbs
_SUBRESOURCES: dict[str, tuple[Kind | None, tuple[str, ...]]] = {
    "status": (None, ("get", "patch", "update")),
    "scale": (Kind("autoscaling", "v1", "scales", "Scale"), ("get", "patch", "update")),
    "finalize": (None, ("update",)),
    "log": (None, ("get",)),
    "eviction": (Kind("policy", "v1", "evictions", "Eviction"), ("create",)),
    "binding": (Kind("", "v1", "bindings", "Binding"), ("create",)),
}


def version() -> Document:
    """What /version answers: the Kubernetes whose fields `types.txt` has."""
    return {
        "major": "1",
        "minor": "37",
        "gitVersion": "v1.37.2+knet",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def api_versions() -> Document:
    """What /api answers."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    }


def group_list(kinds: Iterable[Kind]) -> Document:
    """What /apis answers."""
    groups = [_group(name, found) for name, found in _by_group(kinds).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: Iterable[Kind], name: str) -> Document | None:
    """What /apis/GROUP answers; None where there is none."""
    found = _by_group(kinds).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, found)} if found and name else None


def resource_list(kinds: Iterable[Kind], api_version: str) -> Document | None:
    """What /api/v1 and /apis/GROUP/VERSION answer; None where there is none."""
    found = [kind for kind in kinds if kind.api_version == api_version]
    if not found:
        return None
    resources = [entry for kind in sorted(found, key=lambda k: k.plural) for entry in _entries(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": resources,
    }


def aggregated(kinds: Iterable[Kind], *, core: bool, form: str = "v2") -> Document:
    """What /api (`core`) or /apis answers to who asks for all in one; `form` is v2 or v2beta1."""
    groups = [(name, found) for name, found in _by_group(kinds).items() if bool(name) != core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED}/{form}",
        "metadata": {},
        "items": [_discovered(name, found) for name, found in groups],
    }


def accepts(header: str) -> str | None:
    """The form (v2, v2beta1) of aggregated discovery that an Accept header asks for first, if any."""
    for part in header.split(","):
        words = {word.strip() for word in part.split(";")}
        if {"as=APIGroupDiscoveryList", f"g={AGGREGATED}"} <= words:
            return next((form for form in ("v2", "v2beta1") if f"v={form}" in words), None)
    return None


def content_type(form: str) -> str:
    """The content type of an aggregated document."""
    return f"application/json;g={AGGREGATED};v={form};as=APIGroupDiscoveryList"


def version_order(name: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes prefers them: v2, v1, v1beta2, v1beta1, v1alpha1, then other names."""
    found = _NUMBER.match(name)
    if not found:
        return (1, 0, 0, name)
    major, stability, minor = found.groups()
    return (-_STABILITY[stability], -int(major), -int(minor or 0), name)


def _by_group(kinds: Iterable[Kind]) -> dict[str, dict[str, list[Kind]]]:
    """By group and version, preferred first. Groups stay in the order of the table."""
    found: dict[str, dict[str, list[Kind]]] = {}
    for kind in kinds:
        found.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    return {
        name: {v: sorted(versions[v], key=lambda k: k.plural) for v in sorted(versions, key=version_order)}
        for name, versions in found.items()
    }


def _group(name: str, versions: Iterable[str]) -> Document:
    said = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": said, "preferredVersion": said[0]}


def _entries(kind: Kind) -> list[Document]:
    """A row of an APIResourceList for the kind and for each of its subresources."""
    shared = {"namespaced": kind.namespaced}
    entries: list[Document] = [
        {"name": kind.plural, "singularName": kind.singular, "kind": kind.kind, **shared, **_names(kind)}
    ]
    for name in sorted(kind.subresources):
        other, verbs = _SUBRESOURCES[name]
        taken = other or kind
        entry = {"name": f"{kind.plural}/{name}", "singularName": "", "kind": taken.kind, **shared}
        elsewhere = other is not None and other.api_version != kind.api_version
        foreign = {"group": taken.group, "version": taken.version} if elsewhere else {}
        entries.append(entry | foreign | {"verbs": list(verbs)})
    return entries


def _names(kind: Kind) -> Document:
    made: Document = {"verbs": list(kind.verbs)}
    if kind.short_names:
        made["shortNames"] = list(kind.short_names)
    if kind.categories:
        made["categories"] = list(kind.categories)
    return made


def _discovered(name: str, versions: dict[str, list[Kind]]) -> Document:
    return {
        "metadata": {"name": name, "creationTimestamp": None},
        "versions": [
            {"version": version, "freshness": "Current", "resources": [_aggregate(kind) for kind in found]}
            for version, found in versions.items()
        ],
    }


def _aggregate(kind: Kind) -> Document:
    made: Document = {
        "resource": kind.plural,
        "responseKind": _gvk(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        **_names(kind),
    }
    if kind.subresources:
        made["subresources"] = [
            {"subresource": name, "responseKind": _gvk(other or kind), "verbs": list(verbs)}
            for name in sorted(kind.subresources)
            for other, verbs in [_SUBRESOURCES[name]]
        ]
    return made


def _gvk(kind: Kind) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
