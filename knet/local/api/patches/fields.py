"""Sets of fields, and what a manager owns of an object (KEP-555: server-side apply, `managedFields`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.local.api.patches.lists import SETS, merge_key
from knet.text import json

Path = tuple[str, ...]
"""Steps as `fieldsV1` writes them: `f:spec`, `k:{"name":"app"}`, `v:"finalizer"`."""

_NOT_OWNED = {
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


def leaves(item: Any) -> set[Path]:
    """Every field that an object sets, down to scalars, atomic lists and items of lists by key."""
    return {p for p in _walk(item, (), "") if not any(p[: len(no)] == no for no in _NOT_OWNED)}


def _walk(value: Any, at: Path, field: str) -> Iterator[Path]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _walk(inner, (*at, f"f:{name}"), name)
    elif isinstance(value, list) and field in SETS:
        for inner in value:
            yield (*at, f"v:{json.dumps(inner).decode()}")
    elif isinstance(value, list) and value and (key := merge_key(field, value)):
        for inner in value:
            step = _item(key, inner)
            yield (*at, step)
            for name, deeper in inner.items():
                yield from _walk(deeper, (*at, step, f"f:{name}"), name)
    elif at:
        yield at


def _item(key: str, item: Mapping[str, Any]) -> str:
    return "k:" + json.canonical({key: item.get(key)}).decode()


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
    return next((i for i in value if all(i.get(k) == v for k, v in wanted.items())), None)


def remove(item: Any, path: Path) -> None:
    """Takes the value at a path out of an object, in place."""
    holder = get(item, path[:-1]) if path[:-1] else item
    kind, _, text = path[-1].partition(":")
    if isinstance(holder, dict) and kind == "f":
        holder.pop(text, None)
    elif isinstance(holder, list):
        found = _step(holder, path[-1])
        if found is not None:
            holder.remove(found)


def to_v1(paths: set[Path]) -> dict[str, Any]:
    """`fieldsV1`."""
    out: dict[str, Any] = {}
    for path in sorted(paths):
        at = out
        for step in path:
            at = at.setdefault(step, {})
        if path[-1].startswith("k:"):
            at.setdefault(".", {})
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
