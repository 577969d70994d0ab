"""Sets of fields, and what a manager owns of an object (KEP-555: server-side apply, `managedFields`)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from knet.local.api import shapes
from knet.local.api.shapes import Schema
from knet.text import json

Path = tuple[str, ...]
"""Steps as `fieldsV1` writes them: `f:spec`, `k:{"name":"app"}`, `v:"finalizer"`."""

NOT_OWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation",
            "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName",
        )
    ),
}  # fmt: skip
SCALARS = {str, int, bool, float, type(None)}


def leaves(item: Any, schema: Schema) -> set[Path]:
    """Every field that an object sets, down to scalars, atomic lists and maps, and items of lists by key."""
    return set(values(item, schema))


def values(item: Any, schema: Schema) -> dict[Path, Any]:
    """The same with the fields' values: every write of every object comes by here, so one walk finds both."""
    found: dict[Path, Any] = {}
    walk(item, (), schema, found)
    return {p: v for p, v in found.items() if _ownable(p)}


def ownable(paths: Iterable[Path]) -> set[Path]:
    """Those of the paths that anybody can own."""
    return {path for path in paths if _ownable(path)}


def _ownable(path: Path) -> bool:
    return path[:1] not in NOT_OWNED and path[:2] not in NOT_OWNED


def walk(value: Any, at: Path, schema: Schema, found: dict[Path, Any]) -> None:
    """Finds the fields of a value that is at a path."""
    if isinstance(value, dict):
        if value and not shapes.is_atomic(schema):
            walk_fields(value, at, schema, found)
            return
    elif isinstance(value, list):
        if shapes.is_set(schema):
            for inner in value:
                found[*at, f"v:{json.dumps(inner).decode()}"] = inner
            return
        if value and (keys := shapes.keys(schema)):
            each = shapes.item(schema)
            for inner in value:
                here = (*at, item_step(keys, inner))
                if here not in found:  # of two with one key the first counts
                    found[here] = inner
                    walk_fields(inner, here, each, found)
            return
    if at:
        found[at] = value


def walk_fields(value: Mapping[str, Any], at: Path, schema: Schema, found: dict[Path, Any]) -> None:
    """The same for an object, or an item of a list: without itself."""
    for name, inner in value.items():
        here = (*at, "f:" + name)
        if inner.__class__ in SCALARS:
            found[here] = inner
        else:
            walk(inner, here, shapes.child(schema, name) or shapes.OPEN, found)


def item_step(keys: tuple[str, ...], item: Mapping[str, Any]) -> str:
    """The step to an item of a list: `k:{"name":"app"}`."""
    return _step_of(keys, tuple(item.get(key, shapes.KEY_DEFAULTS.get(key)) for key in keys))


@functools.lru_cache(maxsize=8192, typed=True)
def _step_of(keys: tuple[str, ...], values: tuple[Any, ...]) -> str:
    found = {key: value for key, value in zip(keys, values, strict=True) if value is not None}
    return "k:" + json.canonical(found).decode()


def get(item: Any, path: Path) -> Any:
    """The value at a path, or None."""
    for step in path:
        item = _step(item, step)
        if item is None:
            return None
    return item


def _step(value: Any, step: str) -> Any:
    kind, _, text = step.partition(":")
    if kind == "f":
        return value.get(text) if isinstance(value, Mapping) else None
    if not isinstance(value, list):
        return None
    wanted = json.loads(text)
    if kind == "v":
        return wanted if wanted in value else None
    defaults = shapes.KEY_DEFAULTS
    return next((i for i in value if all(i.get(k, defaults.get(k)) == v for k, v in wanted.items())), None)


def text(path: Path) -> str:
    """A path for people: `.spec.containers[name="app"].image`."""
    return "".join(_spelled(step) for step in path)


def _spelled(step: str) -> str:
    kind, _, said = step.partition(":")
    if kind == "f":
        return f".{said}"
    if kind == "v":
        return f"[={said}]"
    return "[" + ",".join(f"{k}={json.dumps(v).decode()}" for k, v in json.loads(said).items()) + "]"


def remove(item: Any, path: Path) -> None:
    """Takes the value at a path out of an object, in place, and what it leaves empty with it."""
    holder = get(item, path[:-1]) if path[:-1] else item
    kind, _, name = path[-1].partition(":")
    if isinstance(holder, dict) and kind == "f":
        holder.pop(name, None)
    elif isinstance(holder, list):
        found = _step(holder, path[-1])
        if found is not None:
            holder.remove(found)
    if holder is not None and not holder and path[:-1]:
        remove(item, path[:-1])


def to_v1(paths: set[Path]) -> dict[str, Any]:
    """`fieldsV1`."""
    out: dict[str, Any] = {}
    for path in sorted(paths):
        at = out
        for step in path:
            at = at.setdefault(step, {})
        if path[-1].startswith("k:"):
            at.setdefault(".", {})
    for path in paths:
        at = functools.reduce(operator.getitem, path, out)
        if at:  # owned itself, beside what is in it
            at["."] = {}
    return out


def from_v1(data: Mapping[str, Any]) -> set[Path]:
    """What `fieldsV1` says."""
    return set(_read(data, ()))


def _read(data: Mapping[str, Any], at: Path) -> Iterator[Path]:
    inner = [k for k in data if k != "."]
    if at and (not inner or "." in data):
        yield at
    for step in inner:
        yield from _read(data[step], (*at, step))
