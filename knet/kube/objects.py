"""What objects say of themselves, and of one another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.model.meta import controlled_by

Object = dict[str, Any]


def label(item: Object, name: str) -> str:
    """A label of an object; empty if it has none of the name."""
    found: str = (item["metadata"].get("labels") or {}).get(name, "")
    return found


def notes(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def controller(item: Object) -> Object:
    """The reference to the controller of an object; empty if it has none."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def controller_of(item: Object, kind: str) -> str:
    """The name of the controller of an object, if it is of a kind."""
    owner = controller(item)
    return str(owner["name"]) if owner.get("kind") == kind else ""


def owner_reference(owner: Object) -> Object:
    """The ownerReference that makes `owner` the controller of what it is put on."""
    meta = owner["metadata"]
    return controlled_by(owner["apiVersion"], owner["kind"], meta["name"], meta["uid"])
