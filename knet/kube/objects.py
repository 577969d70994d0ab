"""What objects say of themselves, and of one another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def label(item: Object, name: str) -> str:
    """A label of an object; empty if it has none of the name."""
    found: str = (item["metadata"].get("labels") or {}).get(name, "")
    return found


def notes(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def controller_of(item: Object, kind: str) -> str:
    """The name of the controller of an object, if it is of a kind."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and owner["kind"] == kind:
            name: str = owner["name"]
            return name
    return ""


def owner_reference(owner: Object) -> Object:
    """The ownerReference that makes `owner` the controller of what it is put on."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
