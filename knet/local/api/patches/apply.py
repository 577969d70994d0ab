"""Server-side apply, and who owns which field (KEP-555)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from knet.local.api.errors import Refused
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import fields
from knet.local.api.patches.lists import SETS, merge_key

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
    before = {
        (m["manager"], m["operation"], m.get("subresource", "")): m
        for m in (was or {"metadata": {}})["metadata"].get("managedFields") or ()
    }
    made = []
    for manager, paths in owners.items():
        if not paths:
            continue
        v1 = fields.to_v1(paths)
        old = before.get(manager)
        time = old["time"] if old and old.get("fieldsV1") == v1 else now
        entry = {
            "manager": manager[0],
            "operation": manager[1],
            "apiVersion": item["apiVersion"],
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": v1,
        }
        made.append(entry | {"subresource": manager[2]} if manager[2] else entry)
    item["metadata"].pop("managedFields", None)
    if made:
        item["metadata"]["managedFields"] = made


def updated(new: Object, old: Object | None, manager: Manager, now: str) -> None:
    """Notes in `new` that `manager` wrote what differs from `old` (an Update: create, PUT, patch)."""
    owners = owned(old) if old else {}
    have, had = fields.leaves(new), fields.leaves(old) if old else set()
    changed = {p for p in have if p not in had or fields.get(new, p) != fields.get(old, p)}
    for other in owners:
        owners[other] = {p for p in owners[other] if p in have and p not in changed}
    owners[manager] = owners.get(manager, set()) | changed
    put_owned(new, owners, old, now)


def apply(kind: Kind, old: Object | None, wanted: Object, manager: str, *, force: bool, now: str) -> Object:
    """The object after `manager` applies `wanted`. Raises Refused (409) for fields that others own.

    What the manager applied before and no longer names goes, unless somebody else owns it too.
    """
    me: Manager = (manager, "Apply", "")
    mine = fields.leaves(wanted)
    if old is None:
        made = copy.deepcopy(wanted)
        put_owned(made, {me: mine}, None, now)
        return made
    owners = owned(old)
    conflicts = {
        other: sorted(p for p in paths & mine if fields.get(old, p) != fields.get(wanted, p))
        for other, paths in owners.items()
        if other != me
    }
    conflicts = {other: found for other, found in conflicts.items() if found}
    if conflicts and not force:
        raise _refused(kind, old["metadata"]["name"], conflicts)
    made = copy.deepcopy(old)
    kept = {p for other, paths in owners.items() if other != me for p in paths}
    for path in sorted(owners.get(me, set()) - mine - kept, key=len, reverse=True):
        if not any(k[: len(path)] == path for k in mine | kept):
            fields.remove(made, path)
    made = dict(_merged(made, wanted, ""))
    for other, found in conflicts.items():
        owners[other] -= set(found)
    owners[me] = mine
    put_owned(made, owners, old, now)
    return made


def _merged(current: Any, wanted: Any, field: str) -> Any:
    if isinstance(wanted, Mapping):
        out = dict(current) if isinstance(current, Mapping) else {}
        for key, value in wanted.items():
            out[key] = _merged(out.get(key), value, key)
        return out
    if not isinstance(wanted, list) or not isinstance(current, list):
        return copy.deepcopy(wanted)
    if field in SETS:
        return [*current, *(item for item in wanted if item not in current)]
    key = merge_key(field, current, wanted)
    if key is None:
        return copy.deepcopy(wanted)
    named = {str(item.get(key)): item for item in current}
    made = [_merged(named.pop(str(item.get(key)), None), item, "") for item in wanted]
    return [*made, *named.values()]


def _refused(kind: Kind, name: str, conflicts: Mapping[Manager, list[fields.Path]]) -> Refused:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager[0]}"',
            "field": "." + ".".join(step.partition(":")[2] for step in path),
        }
        for manager, found in conflicts.items()
        for path in found
    ]
    words = "; ".join(f"{c['message']}: {c['field']}" for c in causes)
    number = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    details = {"name": name, "group": kind.group, "kind": kind.plural, "causes": causes}
    return Refused(409, "Conflict", f"Apply failed with {number}: {words}", details)
