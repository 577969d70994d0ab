"""How the status of every object of Serving begins and ends: conditions, and the generation they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from knet.model.meta import ObjectMeta
from knet.serving.conditions import HAPPY, Conditions

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an object; `kind` is Normal or Warning."""

    kind: str
    reason: str
    message: str

    @classmethod
    def read(cls, text: str) -> Event:
        """From one line: `Normal Created Created Ingress "hello"`."""
        kind, reason, message = text.split(" ", 2)
        return cls(kind, reason, message)


def begin(dependents: Iterable[str], meta: ObjectMeta, status: Mapping[str, Any], now: str) -> Conditions:
    """The conditions as a reconcile finds them. `now` is RFC 3339 text."""
    given = status.get("conditions")
    before = [c for c in given if isinstance(c, dict)] if isinstance(given, list) else []
    conditions = Conditions(dependents, before, now)
    if before and status.get("observedGeneration", 0) != meta.generation:
        conditions.unknown(HAPPY, "NewObservedGenFailure", "unsuccessfully observed a new generation")
    conditions.initialize()
    return conditions


def end(meta: ObjectMeta, conditions: Conditions, fields: Mapping[str, Any]) -> Object:
    """The status as it is written: fields that are None or empty text are left out."""
    made: Object = {"observedGeneration": meta.generation} if meta.generation else {}
    made["conditions"] = conditions.dump()
    return made | {name: value for name, value in fields.items() if value not in (None, "")}


def ready_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Ready condition of another object; empty if there is none."""
    found = status.get("conditions") or ()
    nothing: Mapping[str, Any] = {}
    return next((c for c in found if c.get("type") == HAPPY), nothing)


def propagate(conditions: Conditions, name: str, ready: Mapping[str, Any]) -> None:
    """Has one condition follow another object's Ready, if it has that."""
    reason, message = str(ready.get("reason") or ""), str(ready.get("message") or "")
    status = ready.get("status")
    if status == "True":
        conditions.true(name)
    elif status == "False":
        conditions.false(name, reason, message)
    elif status == "Unknown":
        conditions.unknown(name, reason, message)


def observed(meta: ObjectMeta, status: Mapping[str, Any]) -> bool:
    """Whether a status is about the object as it is now."""
    return bool(status.get("observedGeneration", 0) == meta.generation)
