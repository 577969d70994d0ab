"""What a write makes of an object beside the one that was there: generation, sameness, whether it goes. Pure.

The rules are Kubernetes' (API conventions, metadata; finalizers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.local.api.kinds import Kind, Object


def generation(item: Object, old: Object | None) -> int:
    """Up by one when anything but metadata and status changes."""
    if old is None:
        return 1
    return int(old["metadata"].get("generation", 1)) + (_content(item) != _content(old))


def _content(item: Mapping[str, Any]) -> Object:
    return {k: v for k, v in item.items() if k not in ("metadata", "status", "apiVersion", "kind")}


def same(item: Object, old: Object) -> bool:
    """Equal but for the version and the times of field managers."""

    def plain(one: Object) -> Object:
        meta = {k: v for k, v in one["metadata"].items() if k not in ("resourceVersion", "managedFields")}
        return {**one, "metadata": meta}

    mine, theirs = (
        [{k: v for k, v in m.items() if k != "time"} for m in o["metadata"].get("managedFields") or ()]
        for o in (item, old)
    )
    return mine == theirs and plain(item) == plain(old)


def released(item: Object) -> bool:
    """Whether nothing keeps an object that is being deleted."""
    meta = item["metadata"]
    kept = (
        meta.get("finalizers") or (item.get("spec") or {}).get("finalizers")
        if item["kind"] == "Namespace"
        else (meta.get("finalizers"))
    )
    return not kept and not meta.get("deletionGracePeriodSeconds")


def as_served(kind: Kind, item: Object) -> Object:
    """The object as this version of its kind shows it."""
    return item if item["apiVersion"] == kind.api_version else {**item, "apiVersion": kind.api_version}


def with_value(item: Object, path: str, value: Any) -> Object:
    """A copy with a value at a path of names with dots between them."""
    step, _, rest = path.partition(".")
    return {**item, step: with_value(item.get(step) or {}, rest, value) if rest else value}


def drop_nulls(meta: Object) -> None:
    """Takes names without a value out, as Kubernetes does with the metadata it reads."""
    for name in [k for k, v in meta.items() if v is None]:
        del meta[name]
