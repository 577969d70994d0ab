"""What applying an object means for one that is there: which fields are set, and which of earlier ones go. Pure.

The rules are kubectl's (kubernetes.io: declarative management, how apply calculates differences; server-side apply).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.kube.objects import notes
from knet.text import json

Object = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT_BY_THE_SERVER = (
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The schema of a value as OpenAPI v3 publishes it: says which lists merge item by item, and by which field."""

    schema: Mapping[str, Any]
    known: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def child(self, name: str) -> Shape:
        """Of a field of a mapping."""
        found = self._followed()
        return Shape((found.get("properties") or {}).get(name) or {}, self.known)

    def item(self) -> Shape:
        """Of what is in a list."""
        return Shape(self._followed().get("items") or {}, self.known)

    @property
    def merge_key(self) -> str:
        """The field that tells the items of a list apart; "" if the list is replaced whole."""
        found = self._followed()
        merges = "merge" in str(found.get("x-kubernetes-patch-strategy", "")).split(",")
        return str(found.get("x-kubernetes-patch-merge-key", "")) if merges else ""

    def _followed(self) -> Mapping[str, Any]:
        """What is said here, and what is said where it refers to."""
        found = self.schema
        for reference in (found, *(found.get("allOf") or ())):
            if at := reference.get("$ref"):
                return {**self.known.get(str(at).rpartition("/")[2], {}), **found}
        return found


def server_side_manager(live: Object) -> str:
    """Who has applied an object server-side, and would again; "" if it is applied in kubectl's older way."""
    if LAST_APPLIED in notes(live):
        return ""
    found = {
        entry.get("manager", "")
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Apply" and not entry.get("subresource")
    }
    return "kubectl" if "kubectl" in found else found.pop() if len(found) == 1 else ""


def last_applied(live: Object) -> Object:
    """What `kubectl apply` wrote last; {} if it never has, or what it left cannot be read."""
    try:
        found = json.loads(notes(live).get(LAST_APPLIED, "{}").encode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def patch(last: Any, wanted: Any, shape: Shape | None = None) -> Any:
    """The patch that makes it as `wanted`: what `last` had and `wanted` has not goes, what others set stays.

    A JSON merge patch, or with a `shape` a strategic one, where lists merge item by item as the schema says.
    """
    if isinstance(wanted, dict):
        before = last if isinstance(last, dict) else {}
        made = {k: patch(before.get(k), v, shape and shape.child(k)) for k, v in wanted.items()}
        return {**made, **dict.fromkeys(k for k in before if k not in wanted)}
    key = shape.merge_key if shape and isinstance(wanted, list) else ""
    if not shape or not key or not all(isinstance(item, dict) and key in item for item in wanted):
        return wanted
    was = {item[key]: item for item in last or () if isinstance(item, dict) and key in item}
    kept = {item[key] for item in wanted}
    gone = [{"$patch": "delete", key: name} for name in was if name not in kept]
    return [*(patch(was.get(item[key]), item, shape.item()) for item in wanted), *gone]


def comparable(item: Object) -> Object:
    """An object without its status and without what only the API server keeps of it."""
    meta = {k: v for k, v in item["metadata"].items() if k not in _KEPT_BY_THE_SERVER}
    if LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != LAST_APPLIED}
    for empty in ("annotations", "labels"):
        if not meta.get(empty):
            meta.pop(empty, None)
    return {**{k: v for k, v in item.items() if k != "status"}, "metadata": meta}
