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
    found = _Differences()
    found.look(new, old, (), schema)
    now, was = found.now, found.was
    changed = {path for path, value in now.items() if path not in was or was[path] != value}
    return fields.ownable(changed), fields.ownable(was.keys() - now.keys())


class _Differences:
    """The fields of both sides where they differ, found by walking them there alone."""

    def __init__(self) -> None:
        self.now: dict[Path, Any] = {}
        self.was: dict[Path, Any] = {}

    def look(self, new: Any, old: Any, at: Path, schema: Schema) -> None:
        if not new or not old or new.__class__ is not old.__class__ or not _is_open(new, schema):
            fields.walk(new, at, schema, self.now)
            fields.walk(old, at, schema, self.was)
        elif isinstance(new, dict):
            self._look_into(new, old, at, schema)
        else:
            self._look_at_items(_by_step(schema, new), _by_step(schema, old), at, shapes.item(schema))

    def _look_into(self, new: Tree, old: Tree, at: Path, schema: Schema) -> None:
        for name in new.keys() | old.keys():
            if name in new and name in old and new[name] == old[name]:
                continue
            here, inner = (*at, "f:" + name), shapes.child(schema, name) or shapes.OPEN
            if name not in old:
                fields.walk(new[name], here, inner, self.now)
            elif name not in new:
                fields.walk(old[name], here, inner, self.was)
            else:
                self.look(new[name], old[name], here, inner)

    def _look_at_items(self, new: Tree, old: Tree, at: Path, each: Schema) -> None:
        for step in new.keys() | old.keys():
            mine, theirs, here = new.get(step), old.get(step), (*at, step)
            if mine == theirs:
                continue
            for item, found in ((mine, self.now), (theirs, self.was)):
                if item is not None:
                    found[here] = item
            if mine is not None and theirs is not None:
                self._look_into(mine, theirs, here, each)
            elif mine is not None:
                fields.walk_fields(mine, here, each, self.now)
            elif theirs is not None:
                fields.walk_fields(theirs, here, each, self.was)


def _is_open(value: Any, schema: Schema) -> bool:
    """Whether a field has fields of its own, or items that are told apart by keys."""
    if isinstance(value, dict):
        return not shapes.is_atomic(schema)
    return isinstance(value, list) and not shapes.is_set(schema) and bool(shapes.keys(schema))


def _by_step(schema: Schema, items: Iterable[Any]) -> Tree:
    keys, found = shapes.keys(schema), Tree()
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
