"""Taking over objects that another controller has made: only who owns their fields changes.

Server-side apply alone would share the fields: one that is no longer wanted would stay, for the other still owns it
(kubernetes.io: server-side apply, upgrading from client-side to server-side apply).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.kube.apply import MANAGER
from knet.kube.client import Client
from knet.kube.resources import Resource

Object = dict[str, Any]
Fields = dict[str, Any]
_CONTENT = ("f:spec", "f:data", "f:stringData", "f:type")


def adopted(managed: Iterable[Object], desired: Object, manager: str = MANAGER) -> list[Object] | None:
    """`managedFields` with all content in the hands of `manager`; None if it is so already.

    Of labels, annotations and owners those go over that `desired` has: what people have added stays theirs.
    Subresources, a status for example, stay whose they are.
    """
    mine: Object = {}
    others: list[Object] = []
    taken: Fields = {}
    for entry in managed:
        if entry.get("subresource"):
            others.append(entry)
        elif (entry.get("manager"), entry.get("operation")) == (manager, "Apply"):
            mine = entry
        else:
            moved, left = _divided(entry.get("fieldsV1") or {}, desired)
            taken = _merged(taken, moved)
            others += [{**entry, "fieldsV1": left}] if left else []
    if not taken:
        return None
    said = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": desired["apiVersion"],
        "fieldsType": "FieldsV1",
    }
    return [*others, {**said, **mine, "fieldsV1": _merged(mine.get("fieldsV1") or {}, taken)}]


async def adopt(client: Client, resource: Resource, desired: Object) -> bool:
    """Makes `manager` the owner of an object before it is applied for the first time; whether that was a write.

    Raises Conflict if the object changes meanwhile: look again.
    """
    meta = desired["metadata"]
    # listed, not gotten: controllers may list what they write, and need no verb more
    found = await client.list(resource, meta.get("namespace"), fields=f"metadata.name={meta['name']}")
    live = found.items[0] if found.items else {"metadata": {}}
    fields = adopted(live["metadata"].get("managedFields") or (), desired)
    if fields is None:
        return False
    change = [
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]
    await client.patch(resource, meta["name"], change, meta.get("namespace"), kind="json", manager=MANAGER)
    return True


def _divided(fields: Fields, desired: Object) -> tuple[Fields, Fields]:
    """(what goes over, what stays) of the fields of one manager."""
    moved = {name: fields[name] for name in _CONTENT if name in fields}
    left = {name: value for name, value in fields.items() if name not in moved}
    about, wanted = left.pop("f:metadata", None) or {}, desired["metadata"]
    steps = {
        "f:labels": {f"f:{name}" for name in wanted.get("labels") or ()},
        "f:annotations": {f"f:{name}" for name in wanted.get("annotations") or ()},
        "f:ownerReferences": {f'k:{{"uid":"{o["uid"]}"}}' for o in wanted.get("ownerReferences") or ()},
    }
    goes: Fields = {}
    stays: Fields = {}
    for name, value in about.items():
        mine = {k: v for k, v in value.items() if k in steps.get(name, ())}
        rest = {k: v for k, v in value.items() if k not in mine}
        if mine:
            goes[name] = mine
        if set(rest) - {"."} or not value:
            stays[name] = rest
    if goes:
        moved["f:metadata"] = goes
    if stays:
        left["f:metadata"] = stays
    return moved, left


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Fields:
    """The union of two sets of fields."""
    both = {k: _merged(one[k], v) if k in one else v for k, v in other.items()}
    return {**one, **both}
