"""The fields of Kubernetes's own kinds, from a table of names and types: `types.txt`.

One type is one line, `NAME FIELD:TYPE ...` or `NAME = TYPE`. A TYPE is

    string, integer/int32, any ...   a JSON type with its format
    core.v1.PodSpec                  another line
    [T], {T}                         a list, a map
    T=map|name, =set, =atomic        how server-side apply merges it (x-kubernetes-list-type and its keys)
    T~merge|name                     how strategic merge patches do (x-kubernetes-patch-strategy, -merge-key)

and `FIELD!` is required; an `atomic` after NAME is x-kubernetes-map-type. `tools/api_types.py` writes the table
from a real API server, and tests/cluster holds it against one.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

Schema = dict[str, Any]

_HOMES = {
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.",
    "meta": "io.k8s.apimachinery.pkg.apis.",
    "resource": "io.k8s.apimachinery.pkg.api.",
    "intstr": "io.k8s.apimachinery.pkg.util.",
    "runtime": "io.k8s.apimachinery.pkg.",
}


@functools.cache
def table() -> dict[str, str]:
    """Every known type's line by its short name, e.g. `core.v1.Pod`."""
    text = resources.files("knet.local.api").joinpath("types.txt").read_text()
    return {name: rest for name, _, rest in (line.partition(" ") for line in text.splitlines())}


def full_name(short: str) -> str:
    """`core.v1.Pod` → `io.k8s.api.core.v1.Pod`, the name in published documents."""
    return _HOMES.get(short.partition(".")[0], "io.k8s.api.") + short


def type_name(group: str, version: str, kind: str) -> str | None:
    """The type of a built-in kind, or None if the table does not know it."""
    name = f"{group.partition('.')[0] or 'core'}.{version}.{kind}"
    return name if name in table() else None


@functools.cache
def references(short: str) -> frozenset[str]:
    """The types that one type names."""
    found = (_type_in(token) for token in table()[short].split(" "))
    return frozenset(name for name in found if name in table())


def closure(roots: set[str]) -> list[str]:
    """The roots and all that they need, sorted."""
    known: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in known:
            known.add(name)
            todo += references(name)
    return sorted(known)


def schema(short: str, home: str) -> Schema:
    """The OpenAPI schema of a type; `home` is `#/definitions/` (v2) or `#/components/schemas/` (v3).

    With the home "" it is for ourselves: references are short names, and what may hold anything says so.
    """
    line = table()[short]
    if line.startswith("= "):
        return _parsed(line[2:], home)
    fields = [token.partition(":") for token in line.split(" ") if ":" in token]
    made: Schema = {"type": "object"}
    if required := [name[:-1] for name, _, _ in fields if name.endswith("!")]:
        made["required"] = required
    if fields:
        made["properties"] = {name.rstrip("!"): _parsed(notation, home) for name, _, notation in fields}
    if line.startswith("atomic"):
        made["x-kubernetes-map-type"] = "atomic"
    return made


def _type_in(token: str) -> str:
    """The innermost type of a token such as `env:[core.v1.EnvVar]=map|name`."""
    return token.rpartition(":")[2].lstrip("[{").partition("]")[0].partition("}")[0].partition("~")[0]


def _parsed(notation: str, home: str) -> Schema:
    if notation[0] in "[{":
        end = _closing(notation)
        inner = _parsed(notation[1:end], home)
        made: Schema = (
            {"type": "array", "items": inner}
            if notation[0] == "["
            else {"type": "object", "additionalProperties": inner}
        )
        return made | _merging(notation[end + 1 :], listed=notation[0] == "[")
    name, tilde, strategy = notation.partition("~")
    return _named(name, home) | _merging(tilde + strategy)


def _closing(notation: str) -> int:
    depth = 0
    for index, letter in enumerate(notation):
        depth += (letter in "[{") - (letter in "]}")
        if depth == 0:
            return index
    raise ValueError(f"{notation} has no end")


def _named(name: str, home: str) -> Schema:
    if name in table():
        reference = {"$ref": home + full_name(name) if home else name}
        return {"allOf": [reference]} if home == "#/components/schemas/" else reference
    if not home and name in ("any", "object"):
        return {"x-kubernetes-preserve-unknown-fields": True}
    if name == "any":
        return {}
    kind, _, form = name.partition("/")
    return {"type": kind, "format": form} if form else {"type": kind}


def _merging(suffix: str, *, listed: bool = False) -> Schema:
    made: Schema = {}
    apply, _, patch = suffix.lstrip("=").partition("~") if suffix.startswith("=") else ("", "", suffix[1:])
    if apply:
        kind, *keys = apply.split("|")
        made["x-kubernetes-list-type" if listed else "x-kubernetes-map-type"] = kind
        if keys:
            made["x-kubernetes-list-map-keys"] = keys
    if patch:
        strategy, *key = patch.split("|")
        made["x-kubernetes-patch-strategy"] = strategy
        if key:
            made["x-kubernetes-patch-merge-key"] = key[0]
    return made
