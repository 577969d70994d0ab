"""Where a rollout stands: everything that decides what happens next, as the object's status keeps it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


class Phase(enum.StrEnum):
    """The last two are ends. STOPPED: somebody else changed the traffic. HELD: it failed and waits for somebody."""

    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    HELD = "Held"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"


ENDED = frozenset((Phase.SUCCEEDED, Phase.ROLLED_BACK))
MOVING = frozenset((Phase.WAITING, Phase.PROGRESSING, Phase.PAUSED))


@dataclass(frozen=True, slots=True)
class State:
    """`step` is the step whose `weight` is in force, or on its way while not `settled`; -1 before the first.

    `before` is the weight before it. `elapsed` are the seconds that count for the step, `total` for the
    rollout, `starved` those that the step has waited for traffic, `failing` those that
    the canary revision has not been able to run; `seen` is the clock when last looked at.
    `approved` is the last step that somebody has let go on, `skipped` the last one whose pause and analysis
    somebody has overruled. `done` are the hooks that have answered. It began at `started`; `epoch` counts how often
    somebody has let it go on after a failure: what was seen before counts no more.
    """

    stable: str
    canary: str
    phase: Phase = Phase.WAITING
    step: int = -1
    weight: int = 0
    before: int = 0
    settled: bool = True
    elapsed: float = 0.0
    total: float = 0.0
    starved: float = 0.0
    failing: float = 0.0
    seen: float = 0.0
    started: float = 0.0
    epoch: int = 0
    approved: int = -1
    skipped: int = -1
    paused: bool = False
    done: tuple[str, ...] = ()
    reason: str = "Starting"
    message: str = ""

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    def to(self, phase: Phase, reason: str, message: str = "") -> State:
        return replace(self, phase=phase, reason=reason, message=message)


def dump(state: State) -> dict[str, Any]:
    """As plain data, in the names of the status."""
    made: dict[str, Any] = {
        "stableRevision": state.stable,
        "canaryRevision": state.canary,
        "phase": str(state.phase),
        "done": list(state.done),
    }
    for name in _PLAIN:
        value = getattr(state, name)
        made[name] = round(value, 3) if isinstance(value, float) else value
    return made


def load(data: Mapping[str, Any]) -> State | None:
    """From plain data; None where there is no rollout in it. Raises ValueError for what is none of ours."""
    if not data.get("canaryRevision"):
        return None
    given: dict[str, Any] = {}
    for name, kind in _PLAIN.items():
        if name in data:
            given[name] = _value(name, kind, data[name])
    done = tuple(str(d) for d in data.get("done") or ())
    stable, canary = str(data.get("stableRevision") or ""), str(data["canaryRevision"])
    return State(stable, canary, Phase(data.get("phase", Phase.WAITING)), done=done, **given)


def _value(name: str, kind: str, value: Any) -> Any:
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"status.{name} is {value!r}")
    found: Any = value
    return float(found) if kind == "float" else found


_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "bool": (bool,), "str": (str,), "float": (int, float)}
_PLAIN = {
    f.name: str(f.type) for f in fields(State) if str(f.type) in _TYPES and f.name not in ("stable", "canary")
}
