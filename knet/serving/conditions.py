"""The conditions of a living Knative object: one that sums up, and those it depends on.

Semantics of knative.dev/pkg's condition manager: setting one recomputes the happy one; False beats
Unknown; among equals the one that changed last speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HAPPY = "Ready"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """`changed` is when its content last changed, as RFC 3339 text, and `order` when within one pass."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    changed: str = ""
    order: int = 0

    def said(self) -> tuple[str, str, str]:
        return self.status, self.reason, self.message


class Conditions:
    """The conditions while one reconcile runs. `now` is RFC 3339 text."""

    def __init__(self, dependents: Iterable[str], before: Iterable[Mapping[str, Any]], now: str) -> None:
        self.dependents = tuple(dependents)
        self.now = now
        self.before = {c.type: c for c in map(_read, before)}
        self.found = dict(self.before)
        self.order = 0

    def initialize(self) -> None:
        """What is not there yet becomes Unknown (or True, where all was well)."""
        if HAPPY not in self.found:
            self._set(HAPPY, UNKNOWN)
        status = TRUE if self.found[HAPPY].status == TRUE else UNKNOWN
        for name in self.dependents:
            if name not in self.found:
                self._set(name, status)

    def get(self, name: str) -> Condition | None:
        return self.found.get(name)

    def status(self, name: str) -> str:
        found = self.found.get(name)
        return found.status if found else ""

    def true(self, name: str, reason: str = "", message: str = "") -> None:
        self._set(name, TRUE, reason, message)
        self._recompute(name)

    def false(self, name: str, reason: str, message: str) -> None:
        self._set(name, FALSE, reason, message)
        if name in self.dependents:
            self._set(HAPPY, FALSE, reason, message)

    def unknown(self, name: str, reason: str, message: str) -> None:
        self._set(name, UNKNOWN, reason, message)
        if any(self.status(d) == FALSE for d in self.dependents):
            if self.status(HAPPY) != FALSE:
                self._set(HAPPY, FALSE, reason, message)
        elif name in self.dependents:
            self._set(HAPPY, UNKNOWN, reason, message)

    def dump(self) -> list[dict[str, Any]]:
        """As the status holds them: by type; what did not change keeps its time."""
        return [self._data(self.found[name], kept=True) for name in sorted(self.found)]

    def as_set(self) -> list[dict[str, Any]]:
        """The same with the times at which they were last set to something else within this pass, though it may
        have been set back since: what upstream's reconcilers make before their framework looks at it.
        """
        return [self._data(self.found[name], kept=False) for name in sorted(self.found)]

    def _data(self, condition: Condition, *, kept: bool) -> dict[str, Any]:
        old = self.before.get(condition.type)
        same = kept and old is not None and old.said() == condition.said()
        changed = old.changed if same and old else condition.changed
        data = {"type": condition.type, "status": condition.status, "lastTransitionTime": changed or None}
        if condition.reason:
            data["reason"] = condition.reason
        if condition.message:
            data["message"] = condition.message
        if condition.type != HAPPY and condition.type not in self.dependents:
            data["severity"] = "Info"  # nothing hangs on it
        return data

    def _set(self, name: str, status: str, reason: str = "", message: str = "") -> None:
        old = self.found.get(name)
        if old and old.said() == (status, reason, message):
            return
        self.order += 1
        self.found[name] = Condition(name, status, reason, message, self.now, self.order)

    def _recompute(self, name: str) -> None:
        unhappy = self._unhappy()
        if unhappy:
            self._set(HAPPY, unhappy.status, unhappy.reason, unhappy.message)
        elif name != HAPPY:
            self._set(HAPPY, TRUE)

    def _unhappy(self) -> Condition | None:
        found = [self.found[d] for d in self.dependents if d in self.found]
        found.sort(key=lambda c: (c.changed, c.order), reverse=True)
        for status in (FALSE, UNKNOWN):
            for condition in found:
                if condition.status == status:
                    return condition
        return None if len(found) == len(self.dependents) else Condition(HAPPY, UNKNOWN)


def _read(data: Mapping[str, Any]) -> Condition:
    return Condition(
        str(data.get("type", "")),
        str(data.get("status", "")),
        str(data.get("reason", "")),
        str(data.get("message", "")),
        str(data.get("lastTransitionTime") or ""),
    )
