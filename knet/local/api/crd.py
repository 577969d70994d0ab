"""CustomResourceDefinitions: their own rules, and the kinds that they add to what is served.

What an API server does with them (kubernetes.io: custom resources; API reference, apiextensions.k8s.io/v1):
`prepare` and `check` belong to the CRD itself, `status` is what its controllers would write, and `register`
serves its kinds. Conversion is None whatever the CRD says: all versions of a kind have one content.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knet.local.api import crd_schema
from knet.local.api.crd_structural import structural
from knet.local.api.kinds import Kind, Kinds
from knet.local.api.printer_path import parse
from knet.text import json

Object = dict[str, Any]
Problems = list[tuple[str, str]]

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""What a CRD carries until its objects are gone."""

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def prepare(crd: Object) -> None:
    """Fills in, in place, what a definition may leave out."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if kind := names.get("kind"):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    spec.pop("preserveUnknownFields", None) if spec.get("preserveUnknownFields") is False else None


def check(new: Object, old: Object | None) -> Problems:
    """What is wrong with a definition, as (field path, words)."""
    spec, found = new.get("spec") or {}, []
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    wanted = {"spec.group": spec.get("group"), "spec.scope": spec.get("scope"), "spec.versions": versions}
    wanted |= {f"spec.names.{key}": names.get(key) for key in ("plural", "kind")}
    found += [(field, "Required value") for field, value in wanted.items() if not value]
    if found:
        return found
    full = f"{names['plural']}.{spec['group']}"
    if (given := (new.get("metadata") or {}).get("name")) != full:
        found.append(("metadata.name", f'Invalid value: "{given}": must be spec.names.plural+"."+spec.group'))
    if spec["scope"] not in ("Cluster", "Namespaced"):
        words = f'Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"'
        found.append(("spec.scope", words))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        words = f"Invalid value: {json.dumps(versions).decode()}: must have exactly one version marked as storage version"
        found.append(("spec.versions", words))
    for index, version in enumerate(versions):
        found += _version(version, f"spec.versions[{index}]")
    return found + (_immutable(spec, old["spec"]) if old else [])


def _version(version: Object, at: str) -> Problems:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    missing = [
        (f"{at}.{key}", "Required value") for key in ("name", "served", "storage") if key not in version
    ]
    if schema is None:
        return [*missing, (f"{at}.schema.openAPIV3Schema", "Required value")]
    columns = enumerate(version.get("additionalPrinterColumns") or ())
    missing += [problem for n, c in columns for problem in _column(c, f"{at}.additionalPrinterColumns[{n}]")]
    return missing + structural(schema, f"{at}.schema.openAPIV3Schema")


def _column(column: Object, at: str) -> Problems:
    found = [(f"{at}.{key}", "Required value") for key in ("name", "type", "jsonPath") if not column.get(key)]
    if not found and column["type"] not in _COLUMN_TYPES:
        allowed = ", ".join(f'"{name}"' for name in _COLUMN_TYPES)
        found.append((f"{at}.type", f'Unsupported value: "{column["type"]}": supported values: {allowed}'))
    try:
        parse(column.get("jsonPath") or "")
    except ValueError as error:
        found.append((f"{at}.jsonPath", f'Invalid value: "{column["jsonPath"]}": {error}'))
    return found


def _immutable(new: Object, old: Object) -> Problems:
    """Group and plural are in the name; scope and kind may not change once established."""
    places = {"spec.scope": ("scope",), "spec.names.kind": ("names", "kind")}
    found = []
    for field, keys in places.items():
        now, before = new, old
        for key in keys:
            now, before = now.get(key, {}), before.get(key, {})
        if now != before:
            found.append((field, f'Invalid value: "{now}": field is immutable'))
    return found


def status(crd: Object, served: Iterable[Kind], now: str) -> Object:
    """The status of a definition: its names are accepted unless another kind of the group has one of them.

    `now` is RFC 3339; a condition keeps its time while it does not change.
    """
    spec, before = crd["spec"], crd.get("status") or {}
    names = spec["names"]
    others = [k for k in served if k.group == spec["group"] and k.plural != names["plural"]]
    taken = {n for k in others for n in (k.plural, k.singular, *k.short_names, k.kind, k.list_kind)}
    ours = [
        names["plural"],
        names.get("singular"),
        *names.get("shortNames", ()),
        names["kind"],
        names.get("listKind"),
    ]
    clash = next((name for name in ours if name in taken), None)
    if clash is None:
        facts = [
            ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
    else:
        facts = [
            ("NamesAccepted", "False", "NamesConflict", f'"{clash}" is already in use'),
            ("Established", "False", "NotAccepted", "not all names are accepted"),
        ]
    stored = list(before.get("storedVersions") or ())
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return {
        "conditions": [_condition(fact, before.get("conditions") or (), now) for fact in facts],
        "acceptedNames": names if clash is None else before.get("acceptedNames", {"plural": "", "kind": ""}),
        "storedVersions": stored if storage in stored else [*stored, storage],
    }


def _condition(fact: tuple[str, str, str, str], before: Iterable[Object], now: str) -> Object:
    kind, state, reason, message = fact
    known = next((c for c in before if c["type"] == kind and c["status"] == state), None)
    return {
        "lastTransitionTime": known["lastTransitionTime"] if known else now,
        "message": message,
        "reason": reason,
        "status": state,
        "type": kind,
    }


def established(crd: Object) -> bool:
    """Whether its kinds are served."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def kinds(crd: Object) -> list[Kind]:
    """A row for each served version."""
    return [_kind(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served")]


def register(served: Kinds, crd: Object) -> None:
    """Serves the kinds of a definition from now on, in the form that it gives them."""
    unregister(served, crd)
    if established(crd):
        for kind in kinds(crd):
            served.add(kind)


def unregister(served: Kinds, crd: Object) -> None:
    """Serves them no longer."""
    served.remove(crd["spec"]["group"], crd["spec"]["names"]["plural"])


def _kind(spec: Object, version: Object) -> Kind:
    names, subresources = spec["names"], version.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or _OPEN
    scale = subresources.get("scale") or {}

    paths = [scale.get(key, "").removeprefix(".") for key in ("specReplicasPath", "statusReplicasPath")]
    return Kind(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(subresources) & {"status", "scale"},
        prepare=lambda body: crd_schema.fill(body, schema),
        check=crd_schema.checker(schema),
        columns=tuple(version.get("additionalPrinterColumns") or (_AGE,)),
        schema=schema,
        selectable=frozenset(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ()),
        storage_version=bool(version.get("storage")),
        scale_paths=(paths[0], paths[1], scale.get("labelSelectorPath", "").removeprefix(".")),
    )
