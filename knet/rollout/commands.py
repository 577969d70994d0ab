"""What people can say to a rollout, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from knet.rollout.plan import Plan
from knet.rollout.state import Phase, State

Verb = Literal["step", "pause", "resume", "set", "promote", "abort", "undo", "approve"]


class Refused(ValueError):
    """A command that cannot be done now; `hint` says what can."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Command:
    """`weight` is of `set` alone; `who` for the record."""

    verb: Verb
    weight: int = 0
    who: str = ""


def obey(plan: Plan, state: State, command: Command, share: int | None) -> State:
    """The state after a command. `share` is the canary's in the traffic block now (None: not ours). Raises Refused."""
    verb = command.verb
    by = f" by {command.who}" if command.who else ""
    if verb == "undo":
        return _undone(state, share, by)
    if state.ended:
        raise Refused(f"the rollout has ended ({state.reason})", "knet canary undo, or start another")
    if verb == "abort":
        return _to(state, 0, share).to(Phase.ROLLED_BACK, "Aborted", f"aborted{by} at {state.weight} %")
    if state.phase is Phase.STOPPED and verb != "resume":
        raise Refused(
            f"the rollout has stopped: {state.message}",
            "knet canary resume takes the traffic as it is; abort gives all to the stable revision",
        )
    if verb == "pause":
        return replace(state, paused=True).to(Phase.PAUSED, "Paused", f"paused{by} at {state.weight} %")
    if verb == "resume":
        return _resumed(plan, state, share, by)
    if verb in ("step", "approve"):
        skipped = state.step if verb == "step" else state.skipped
        told = f"let go on{by}"
        return replace(state, approved=state.step, skipped=skipped, paused=False).to(
            Phase.PROGRESSING, "Released", told
        )
    if verb == "promote":
        last = len(plan.steps) - 1
        moved = replace(_to(state, 100, share), step=last, approved=last, skipped=last, paused=False)
        return moved.to(Phase.PROGRESSING, "Promoting", f"promoted{by} at {state.weight} %")
    return _set(plan, state, command.weight, share, by)


def _undone(state: State, share: int | None, by: str) -> State:
    if state.phase is not Phase.SUCCEEDED:
        raise Refused(
            "there is nothing to undo: no rollout has been promoted", "knet canary abort ends a running one"
        )
    if not state.stable:
        raise Refused("the revision before is not known")
    return _to(state, 0, share).to(
        Phase.ROLLED_BACK, "Undone", f"undone{by}: {state.stable} has all traffic again"
    )


def _resumed(plan: Plan, state: State, share: int | None, by: str) -> State:
    if state.phase is Phase.STOPPED:
        if share is None:
            words = f"the traffic block gives shares to others than {state.stable} and {state.canary}"
            raise Refused(words, "set it so that only these two have some, or knet canary abort")
        state = replace(
            state,
            weight=share,
            before=share,
            settled=True,
            step=plan.step_of(share),
            elapsed=0.0,
            starved=0.0,
        )
    elif state.phase is Phase.HELD:
        state = replace(state, epoch=state.epoch + 1, total=0.0, starved=0.0)
    elif not state.paused:
        raise Refused("the rollout is not paused", "knet canary step goes on at once")
    return replace(state, paused=False).to(Phase.PROGRESSING, "Resumed", f"resumed{by} at {state.weight} %")


def _set(plan: Plan, state: State, weight: int, share: int | None, by: str) -> State:
    if not 0 <= weight <= 100:
        raise Refused(f"{weight} is no percentage")
    moved = replace(_to(state, weight, share), step=plan.step_of(weight), paused=weight < 100)
    if weight == 100:
        moved = replace(moved, approved=moved.step, skipped=moved.step)
    phase = Phase.PAUSED if weight < 100 else Phase.PROGRESSING
    return moved.to(phase, "Set", f"set to {weight} %{by}")


def _to(state: State, weight: int, share: int | None) -> State:
    """On its way to a weight, from whatever stands in the block now."""
    before = state.weight if share is None else share
    return replace(state, before=before, weight=weight, settled=False, elapsed=0.0, starved=0.0)
