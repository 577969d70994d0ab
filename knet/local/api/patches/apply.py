"""Server-side apply, and who owns which field (KEP-555)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from knet.local.api import shapes
from knet.local.api.errors import Refused
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import fields, last_applied
from knet.local.api.patches import owned as owned_fields
from knet.local.api.shapes import Schema
from knet.text import json

Manager = tuple[str, str, str]
"""(name, operation, subresource)."""


def owned(item: Object) -> dict[Manager, set[fields.Path]]:
    """Who owns what, out of `managedFields`."""
    return {
        (m["manager"], m["operation"], m.get("subresource", "")): fields.from_v1(m.get("fieldsV1") or {})
        for m in item["metadata"].get("managedFields") or ()
    }


def put_owned(item: Object, owners: Mapping[Manager, set[fields.Path]], was: Object | None, now: str) -> None:
    """Writes `managedFields`; those that own what they owned before keep their time."""
    told = [m for one in (was, item) if one for m in one["metadata"].get("managedFields") or () if m]
    before = {(m["manager"], m["operation"], m.get("subresource", "")): m for m in told}
    made = []
    for (name, operation, sub), paths in owners.items():
        if not paths:
            continue
        entry = {
            "manager": name,
            "operation": operation,
            "apiVersion": item["apiVersion"],
            "fieldsType": "FieldsV1",
        }
        entry["fieldsV1"] = v1 = fields.to_v1(paths)
        old = before.get((name, operation, sub))
        time = old.get("time") if old and old.get("fieldsV1") == v1 else now
        made.append(entry | ({"time": time} if time else {}) | ({"subresource": sub} if sub else {}))
    item["metadata"].pop("managedFields", None)
    if made:
        item["metadata"]["managedFields"] = sorted(made, key=_rank)


def _rank(entry: Object) -> tuple[str, ...]:
    return tuple(entry.get(field, "") for field in ("operation", "time", "manager", "subresource"))


def updated(kind: Kind, new: Object, old: Object | None, manager: Manager, now: str) -> None:
    """Notes in `new` that `manager` wrote what differs from `old` (an Update: create, PUT, patch).

    A client may itself say who owns what, or, by one empty entry, that nobody does.
    """
    schema, sub = shapes.of(kind), manager[2]
    if old is None and not new["metadata"].get("managedFields"):
        _made(kind, new, manager, now)
        return
    if old is not None and _as_it_was(new, old):
        _revised(kind, (new, old), manager, now)
        return
    owners = _said(new, old)
    now_there, was_there = fields.values(new, schema), fields.values(old, schema) if old else {}
    have = set(now_there)
    if not sub and kind.has("status"):  # dropped on the way in
        have = {path for path in have if path[0] != "f:status" or path in was_there}
    changed = {p for p in have if p not in was_there or now_there[p] != was_there[p]}
    for other in owners:
        owners[other] = {p for p in owners[other] if p in have and p not in changed}
    owners[manager] = owners.get(manager, set()) | changed
    put_owned(new, owners, old, now)


def _as_it_was(new: Object, old: Object) -> bool:
    """Whether a writer says nothing of its own about owners."""
    said = new["metadata"].get("managedFields")
    return said is None or said == old["metadata"].get("managedFields")


def _made(kind: Kind, new: Object, manager: Manager, now: str) -> None:
    """Everything of a new object is its maker's."""
    made = owned_fields.tree(new, shapes.of(kind))
    if not manager[2] and kind.has("status"):
        made.pop("f:status", None)
    new["metadata"].pop("managedFields", None)
    if made:
        new["metadata"]["managedFields"] = [_entry(new, manager, made, now)]


def _revised(kind: Kind, pair: tuple[Object, Object], manager: Manager, now: str) -> None:
    """What differs is the writer's from now on; who owns nothing of it is left as it is."""
    new, old = pair
    changed, gone = owned_fields.changes(new, old, shapes.of(kind))
    entries, mine = [], False
    for entry in old["metadata"].get("managedFields") or ():
        me = (entry["manager"], entry["operation"], entry.get("subresource", "")) == manager
        mine = mine or me
        was = entry.get("fieldsV1") or {}
        v1 = owned_fields.revised(was, changed if me else (), gone if me else gone | changed)
        said = entry if v1 is was else {**entry, "fieldsV1": v1, **({"time": now} if now else {})}
        if v1:
            same = said.get("apiVersion") == new["apiVersion"]
            entries.append(said if same else {**said, "apiVersion": new["apiVersion"]})
    if changed and not mine:
        entries.append(_entry(new, manager, owned_fields.revised({}, changed, ()), now))
    new["metadata"].pop("managedFields", None)
    if entries:
        new["metadata"]["managedFields"] = sorted(entries, key=_rank)


def _entry(item: Object, manager: Manager, v1: Mapping[str, Any], now: str) -> Object:
    name, operation, sub = manager
    said = {"manager": name, "operation": operation, "apiVersion": item["apiVersion"]}
    made = {**said, "fieldsType": "FieldsV1", "fieldsV1": v1}
    return made | ({"time": now} if now else {}) | ({"subresource": sub} if sub else {})


def _said(new: Object, old: Object | None) -> dict[Manager, set[fields.Path]]:
    given = new["metadata"].get("managedFields")
    if given == [{}]:
        return {}
    try:
        if given and (said := owned(new)):
            return said
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # what is no record of owners changes nothing
    return owned(old) if old else {}


def apply(
    kind: Kind, old: Object | None, wanted: Object, manager: tuple[str, str], *, force: bool, now: str
) -> Object:
    """The object after `manager` (name, subresource) applies `wanted`. Raises Refused (409) for what others own.

    What the manager applied before and no longer names goes, unless somebody else owns it too. Through a
    subresource only that is applied, otherwise all but it.
    """
    name, sub = manager
    me: Manager = (name, "Apply", sub)
    schema = shapes.of(kind)
    mine = fields.leaves(wanted, schema)
    if sub:
        mine = {path for path in mine if path[0] == f"f:{sub}"}
    elif kind.has("status"):
        mine = {path for path in mine if path[0] != "f:status"}
    if old is None:
        made: Object = json.copied(wanted)
        put_owned(made, {me: mine}, None, now)
        return made
    # what nobody is known to own was there before anybody applied
    owners = owned(old) or {("before-first-apply", "Update", ""): fields.leaves(old, schema)}
    conflicts = {
        other: sorted(p for p in paths & mine if fields.get(old, p) != fields.get(wanted, p))
        for other, paths in owners.items()
        if other != me
    }
    conflicts = {other: found for other, found in conflicts.items() if found}
    mere = last_applied.taken_over(kind, old, name) if conflicts and not force else set()
    left = {other: [p for p in found if p not in mere] for other, found in conflicts.items()}
    if any(left.values()) and not force:
        raise _refused(old, {other: found for other, found in left.items() if found})
    made = json.copied(old)
    kept = {p for other, paths in owners.items() if other != me for p in paths}
    for path in sorted(owners.get(me, set()) - mine - kept, key=len):
        if not any(k[: len(path)] == path for k in mine | kept):
            fields.remove(made, path)
    made = dict(_merged(made, wanted, schema))
    last_applied.follow(made, wanted, name)
    for other, found in conflicts.items():
        owners[other] -= set(found)
    owners[me] = mine
    put_owned(made, owners, old, now)
    return made


def _merged(current: Any, wanted: Any, schema: Schema) -> Any:
    if isinstance(wanted, Mapping) and isinstance(current, Mapping) and not shapes.is_atomic(schema):
        out = dict(current)
        for key, value in wanted.items():
            out[key] = _merged(out.get(key), value, shapes.child(schema, key) or shapes.OPEN)
        return out
    if isinstance(wanted, list) and isinstance(current, list):
        if shapes.is_set(schema):
            return _interleaved(
                current, wanted, lambda item: json.canonical(item).decode(), lambda _, new: new
            )
        if keys := shapes.keys(schema):
            each = shapes.item(schema)
            return _interleaved(
                current,
                wanted,
                lambda item: fields.item_step(keys, item),
                lambda old, new: _merged(old, new, each),
            )
    return json.copied(wanted)


def _interleaved(
    current: list[Any], wanted: list[Any], name: Callable[[Any], str], merged: Callable[[Any, Any], Any]
) -> list[Any]:
    """Both lists in one: what is wanted in its order, and the rest where it stood between what both have."""
    had, want = {name(item): item for item in current}, [name(item) for item in wanted]
    out: list[Any] = []
    at, done = 0, set()
    for rank, item in enumerate(wanted):
        shared = next((other for other in want[rank:] if other in had), None)
        while at < len(current) and (here := name(current[at])) != shared:
            if here not in want:
                out.append(current[at])
            at += 1
        out.append(merged(had.get(want[rank]), item))
        done.add(want[rank])
        if at < len(current) and name(current[at]) in done:
            at += 1
    return [*out, *(item for item in current[at:] if name(item) not in want)]


def _refused(old: Object, conflicts: Mapping[Manager, list[fields.Path]]) -> Refused:
    """The 409 that names every field and its owner."""
    named = {_who(old, manager): [fields.text(p) for p in found] for manager, found in conflicts.items()}
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
        for who, found in sorted(named.items())
        for field in found
    ]
    if len(causes) == 1:
        words = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines = [
            line
            for who in sorted(named)
            for line in (f"conflicts with {who}:", *(f"- {f}" for f in named[who]))
        ]
        words = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return Refused(409, "Conflict", words, {"causes": causes})


def _who(old: Object, manager: Manager) -> str:
    name, operation, sub = manager
    said = f'"{name}"' + (f' with subresource "{sub}"' if sub else "")
    return said if operation != "Update" else f"{said} using {old['apiVersion']}"
