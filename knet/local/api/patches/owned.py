"""Who owns which field of an object, kept as `managedFields` have it: trees of steps (KEP-555, `fieldsV1`).

Every write of every object comes by here, and most change little: so an owner's tree is changed where fields have come
or gone, and is otherwise the one that was there. Paths and their rules are those of `fields`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knet.local.api import shapes
from knet.local.api.patches import fields
from knet.local.api.patches.fields import NOT_OWNED, SCALARS, Path
from knet.local.api.shapes import Schema
from knet.text import json

Tree = dict[str, Any]


def tree(item: Any, schema: Schema) -> Tree:
    """All fields that an object sets, as `fieldsV1`."""
    made = _of_fields(item, schema)
    found: Tree = {}
    for step, inner in made.items():
        if (step,) in NOT_OWNED:
            continue
        kept = {k: v for k, v in inner.items() if (step, k) not in NOT_OWNED}
        if kept or not inner:
            found[step] = kept
    return found


def _of(value: Any, schema: Schema) -> Tree | None:
    """What is owned of a value; {} if only it as a whole, None if nothing is."""
    if isinstance(value, dict):
        if value and not shapes.is_atomic(schema):
            return _of_fields(value, schema) or None
    elif isinstance(value, list):
        if shapes.is_set(schema):
            return {f"v:{json.dumps(inner).decode()}": {} for inner in value} or None
        if value and (keys := shapes.keys(schema)):
            each, made = shapes.item(schema), Tree()
            for inner in value:
                made.setdefault(fields.item_step(keys, inner), {".": {}, **_of_fields(inner, each)})
            return made
    return {}


def _of_fields(value: Tree, schema: Schema) -> Tree:
    made: Tree = {}
    for name, inner in value.items():
        if inner.__class__ in SCALARS:
            made["f:" + name] = {}
        elif (found := _of(inner, shapes.child(schema, name) or shapes.OPEN)) is not None:
            made["f:" + name] = found
    return made


def changes(new: Any, old: Any, schema: Schema) -> tuple[set[Path], set[Path]]:
    """The fields that are new or have another value, and those that are gone."""
    now: dict[Path, Any] = {}
    was: dict[Path, Any] = {}
    _compare(new, old, (), schema, now, was)
    changed = {path for path, value in now.items() if path not in was or was[path] != value}
    gone = was.keys() - now.keys()
    return fields.ownable(changed), fields.ownable(gone)


def _compare(
    new: Any, old: Any, at: Path, schema: Schema, now: dict[Path, Any], was: dict[Path, Any]
) -> None:
    """Walks both where they differ."""
    if isinstance(new, dict) and isinstance(old, dict) and new and old and not shapes.is_atomic(schema):
        _compare_fields(new, old, at, schema, now, was)
    elif (
        isinstance(new, list)
        and isinstance(old, list)
        and new
        and old
        and not shapes.is_set(schema)
        and (keys := shapes.keys(schema))
    ):
        mine, theirs = _by_step(keys, new), _by_step(keys, old)
        each = shapes.item(schema)
        for step in mine.keys() | theirs.keys():
            here = (*at, step)
            for side, found in ((mine, now), (theirs, was)):
                if step in side and mine.get(step) != theirs.get(step):
                    found[here] = side[step]
            if step in mine and step in theirs:
                if mine[step] != theirs[step]:
                    _compare_fields(mine[step], theirs[step], here, each, now, was)
            elif step in mine:
                fields.walk_fields(mine[step], here, each, now)
            else:
                fields.walk_fields(theirs[step], here, each, was)
    else:
        fields.walk(new, at, schema, now)
        fields.walk(old, at, schema, was)


def _compare_fields(
    new: Any, old: Any, at: Path, schema: Schema, now: dict[Path, Any], was: dict[Path, Any]
) -> None:
    for name, value in new.items():
        here = (*at, "f:" + name)
        if name not in old:
            fields.walk(value, here, shapes.child(schema, name) or shapes.OPEN, now)
        elif value != old[name]:
            _compare(value, old[name], here, shapes.child(schema, name) or shapes.OPEN, now, was)
    for name, value in old.items():
        if name not in new:
            fields.walk(value, (*at, "f:" + name), shapes.child(schema, name) or shapes.OPEN, was)


def _by_step(keys: tuple[str, ...], items: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:  # of two with one key the first counts
        found.setdefault(fields.item_step(keys, item), item)
    return found


def owns(held: Tree, path: Path) -> bool:
    """Whether a tree has a field itself, not only what is in it."""
    for step in path:
        if step not in held:
            return False
        held = held[step]
    return not held or "." in held


def revised(held: Tree, come: Iterable[Path], gone: Iterable[Path]) -> Tree:
    """A tree with these fields and without those: itself if that is how it is."""
    come, gone = [p for p in come if not owns(held, p)], [p for p in gone if owns(held, p)]
    if not come and not gone:
        return held
    made: Tree = json.copied(held)
    for path in gone:
        _take(made, path)
    for path in come:
        _put(made, path)
    return made


def _put(held: Tree, path: Path) -> None:
    for rank, step in enumerate(path):
        inner = held.get(step)
        if inner is None:
            inner = held[step] = {}
        elif not inner and rank + 1 < len(path):
            inner["."] = {}  # it was owned as a whole, and is still, beside what is in it
        held = inner
    if held or path[-1].startswith("k:"):
        held["."] = {}


def _take(held: Tree, path: Path) -> None:
    step, *rest = path
    inner = held[step]
    if rest:
        _take(inner, tuple(rest))
        if inner.keys() == {"."} and not step.startswith("k:"):
            inner.clear()
        elif not inner:
            del held[step]
    elif inner.keys() - {"."}:
        del inner["."]
    else:
        del held[step]
