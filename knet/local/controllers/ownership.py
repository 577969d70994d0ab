"""Garbage collection by owner references: what goes when its owners went (kubernetes.io: garbage collection)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

from knet.local.controllers.objects import Object, leaving

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

Alive = Callable[[Object], bool | None]
"""An ownerReference → whether an object with exactly its uid exists; None where nobody knows."""


class Verdict(enum.Enum):
    """What is to happen to an object."""

    KEEP = "keep"
    DELETE = "delete"
    UNKNOWN = "unknown"


def judge(item: Object, alive: Alive) -> Verdict:
    """Whether an object has outlived all its owners. It is kept while one lives, or may live."""
    owners = item["metadata"].get("ownerReferences") or ()
    if not owners or leaving(item):
        return Verdict.KEEP
    said = [alive(owner) for owner in owners]
    if any(said):
        return Verdict.KEEP
    return Verdict.UNKNOWN if None in said else Verdict.DELETE


def waits_for(owner: Object, dependents: Iterable[Object]) -> list[Object]:
    """What has to go before an owner may, that is being deleted in the foreground: those that block it."""
    uid = owner["metadata"]["uid"]
    return [
        item
        for item in dependents
        if any(
            o["uid"] == uid and o.get("blockOwnerDeletion")
            for o in item["metadata"].get("ownerReferences") or ()
        )
    ]


def without_owner(item: Object, uid: str) -> list[Object]:
    """The owner references of an object but for one owner's."""
    return [o for o in item["metadata"].get("ownerReferences") or () if o["uid"] != uid]


def finalizing(item: Object, name: str) -> bool:
    """Whether an object is being deleted and waits for this finalizer."""
    return leaving(item) and name in (item["metadata"].get("finalizers") or ())
