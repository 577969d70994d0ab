"""What happens next in a rollout: (plan, state, observation, now) → (state, weight to write, hook to call).

The state is all that is remembered, so that whoever crashes anywhere is followed by somebody who goes on from
what was written. A decision that changes the weight is written before the traffic is: `settled` is False until
the traffic block is seen to say so, and until then it is written again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from knet.rollout.criteria import Outcome, Verdict
from knet.rollout.plan import Hook, Plan
from knet.rollout.state import Phase, State
from knet.rollout.windows import is_open

LONGEST_TICK = 30.0
"""Seconds that one look can count for at most: a clock that jumped, or a controller that was away, counts for
nothing."""


PATIENCE = 120.0
"""Seconds that a step waits for pods beyond the first: who may have no more of them goes on with these."""


CRASHING = 10.0
"""Seconds after which a revision that cannot run counts as failed: a node that starts again is no fault of it."""


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What a hook said, after all tries."""

    key: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen.

    `share` is the canary's in the traffic block, None where others have some too; `by` says who wrote the
    block, and what. `exact`: it stands in every entry as the state wants it, tags included. `served`: the gateway serves the block as it is written. `created`: the canary revision is
    ready. `capacity`: the largest share that its pods can carry now. `failed`: why it cannot run at all.
    """

    share: int | None
    exact: bool = True
    served: bool = True
    by: str = ""
    created: bool = True
    capacity: int = 100
    failed: str = ""
    verdict: Verdict | None = None
    hook: HookAnswer | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`write`: the weight that the traffic block is to say now, None to leave it. `prepare`: the weight that the
    canary's pods have to carry. `call`: a hook whose answer the next observation brings.
    """

    state: State
    write: int | None = None
    prepare: int = 0
    call: tuple[str, Hook] | None = None


def begin(stable: str, canary: str, now: float) -> State:
    """A rollout that has done nothing yet."""
    return State(stable, canary, seen=now, started=now, message=f"{canary} is to take over from {stable}")


def decide(plan: Plan, state: State, seen: Observation, now: float) -> Decision:
    """One look. What people have said comes before it (`commands.obey`)."""
    dt = now - state.seen
    steady = 0.0 <= dt <= LONGEST_TICK
    state = replace(state, seen=now)
    if state.phase is Phase.STOPPED:
        return Decision(state)
    if state.ended:
        return _written(state, seen)
    failing = state.failing + dt if steady else state.failing
    state = replace(state, failing=failing if seen.failed else 0.0)
    found = _noticed(plan, state, seen)
    if found is not None:
        return _ending(found)
    if not state.settled:
        if seen.share != state.weight or not (seen.exact and seen.served):
            return _written(state, seen, dt if steady else 0.0)
        state = replace(state, settled=True, elapsed=0.0, starved=0.0)
        return _prepared(plan, _advanced(plan, state, seen, now, steady=steady), seen)
    counts = steady and state.phase is Phase.PROGRESSING and not state.paused
    if counts:
        state = replace(state, elapsed=state.elapsed + dt, total=state.total + dt)
    if plan.max_duration is not None and state.total > plan.max_duration and state.phase in _JUDGED:
        told = f"it has run for {state.total:.0f} s of {plan.max_duration:.0f} s"
        return _ending(fail(plan, state, "TooLong", told))
    made = _advanced(plan, state, seen, now, steady=steady, dt=dt if counts else 0.0)
    return _prepared(plan, made, seen)


_JUDGED = (Phase.WAITING, Phase.PROGRESSING, Phase.PAUSED)


def fail(plan: Plan, state: State, reason: str, message: str) -> State:
    """The state after a failure: as the plan says, back to the stable revision, or held where it is."""
    if plan.on_failure == "hold":
        return state.to(Phase.HELD, reason, message)
    return back(state, reason, message)


def back(state: State, reason: str, message: str) -> State:
    """Everything to the stable revision."""
    return replace(state, before=state.weight, weight=0, settled=False).to(Phase.ROLLED_BACK, reason, message)


def _noticed(plan: Plan, state: State, seen: Observation) -> State | None:
    """What ends or stops a rollout whatever it was about to do."""
    ours = {state.weight} if state.settled else {state.weight, state.before}
    if seen.share not in ours:
        said = seen.by or f"the canary has {seen.share} %, not {state.weight} %"
        return state.to(Phase.STOPPED, "ChangedByOthers", said)
    if state.phase not in _JUDGED:
        return None
    if seen.failed and state.failing > CRASHING:
        return fail(plan, state, "RevisionFailed", seen.failed)
    if seen.verdict is not None and seen.verdict.outcome is Outcome.FAIL:
        return fail(plan, state, seen.verdict.reason, seen.verdict.message)
    if seen.hook is not None and not seen.hook.ok:
        return fail(plan, state, "HookFailed", f"{seen.hook.key}: {seen.hook.message}")
    return None


def _ending(state: State) -> Decision:
    """What is written when it ends here: the block as the end wants it, whatever stands there."""
    return Decision(state, write=state.weight if state.ended else None, prepare=state.weight)


def _written(state: State, seen: Observation, dt: float = 0.0) -> Decision:
    """With what is not written yet."""
    if state.settled or state.phase is Phase.HELD:
        return Decision(state)
    if seen.share == state.weight and seen.exact:
        return Decision(replace(state, settled=state.ended), prepare=state.weight)
    if state.weight > max(seen.share or 0, seen.capacity) and _waits(state, seen):
        told = f"{state.canary} has not the pods for {state.weight} % yet"
        state = replace(state, reason="Scaling", message=told, starved=state.starved + dt)
        return Decision(state, prepare=state.weight)
    return Decision(state, write=state.weight, prepare=state.weight)


def _advanced(
    plan: Plan, state: State, seen: Observation, now: float, *, steady: bool, dt: float = 0.0
) -> Decision:
    """On to the next step, if nothing keeps it."""
    if state.phase is Phase.HELD:
        return Decision(state)
    if state.paused:
        return Decision(state.to(Phase.PAUSED, "Paused", f"paused by hand at {state.weight} %"))
    if seen.hook is not None and seen.hook.key not in state.done:
        state = replace(state, done=(*state.done, seen.hook.key))
    if not steady:
        return Decision(
            replace(state, reason="ClockJumped", message="looked at after a gap: time counts from now")
        )
    if not seen.created:
        phase = Phase.WAITING if state.step < 0 else Phase.PROGRESSING
        return Decision(state.to(phase, "RevisionNotReady", f"{state.canary} is not ready"))
    if state.step >= 0 and (kept := _kept(plan, state, seen, dt)) is not None:
        return kept
    return _next(plan, state, seen, now, dt)


def _kept(plan: Plan, state: State, seen: Observation, dt: float) -> Decision | None:
    """What keeps a rollout at the step it is at."""
    step, i = plan.steps[state.step], state.step
    if i > state.skipped:
        if state.elapsed < step.pause:
            left = step.pause - state.elapsed
            at = f"at {state.weight} % for another {left:.0f} s"
            return Decision(state.to(Phase.PROGRESSING, "Pausing", at))
        if step.analysis and plan.analysis is not None and state.weight < 100:
            found = seen.verdict
            if found is None or found.outcome is not Outcome.PASS:
                return Decision(_starving(plan, state, found, dt))
    if step.approval and i > state.approved:
        told = f"at {state.weight} %: somebody has to let it go on"
        return Decision(state.to(Phase.PAUSED, "WaitingForApproval", told))
    if (call := _unasked(plan, state, "after", i)) is not None:
        return Decision(
            state.to(Phase.PROGRESSING, "Hook", f"asking {call[1].name} after {step.weight} %"), call=call
        )
    return None


def _starving(plan: Plan, state: State, found: Verdict | None, dt: float) -> State:
    starved = state.starved + dt
    if starved > plan.deadline:
        told = f"after {starved:.0f} s at {state.weight} %: {found.message if found else 'no statistics'}"
        return fail(plan, state, "NotEnoughTraffic", told)
    reason, told = (
        (found.reason, found.message) if found else ("NoStatistics", "the gateway has not told anything yet")
    )
    return replace(state, starved=starved).to(Phase.PROGRESSING, reason, told)


def _next(plan: Plan, state: State, seen: Observation, now: float, dt: float) -> Decision:
    if state.step == len(plan.steps) - 1:
        told = f"{state.canary} has all traffic"
        return _ending(replace(state, settled=False).to(Phase.SUCCEEDED, "Promoted", told))
    i = state.step + 1
    wanted = plan.steps[i].weight
    if not is_open(plan.windows, now):
        told = f"{wanted} % waits for {' or '.join(map(str, plan.windows))}"
        return Decision(state.to(Phase.PAUSED, "OutsideWindow", told))
    if (call := _unasked(plan, state, "before", i)) is not None:
        told = f"asking {call[1].name} before {wanted} %"
        return Decision(state.to(Phase.PROGRESSING, "Hook", told), prepare=wanted, call=call)
    if wanted > seen.capacity and _waits(state, seen):
        state = replace(state, starved=state.starved + dt)
        told = f"{state.canary} has not the pods for {wanted} % yet"
        return Decision(state.to(Phase.PROGRESSING, "Scaling", told), prepare=wanted)
    moved = replace(state, step=i, before=state.weight, weight=wanted, settled=False)
    told = f"from {state.weight} % to {wanted} %"
    return Decision(moved.to(Phase.PROGRESSING, "Step", told), write=wanted, prepare=wanted)


def _waits(state: State, seen: Observation) -> bool:
    return state.starved < PATIENCE or not seen.capacity


def _unasked(plan: Plan, state: State, when: str, step: int) -> tuple[str, Hook] | None:
    for hook in plan.hooks_of(when, step):
        key = hook.key(step)
        if key not in state.done:
            return key, hook
    return None


def _prepared(plan: Plan, made: Decision, seen: Observation) -> Decision:
    """With the pods of the weight in force, at the least, and those of the next step once nothing else is before it;
    and with the block written again where it is not as it should be in more than shares.
    """
    state = made.state
    if state.ended or state.phase is Phase.HELD:
        return made
    upcoming = plan.steps[state.step + 1].weight if state.step + 1 < len(plan.steps) else 100
    wanted = upcoming if state.reason in ("Scaling", "Hook", "RevisionNotReady") else state.weight
    write = state.weight if made.write is None and not seen.exact else made.write
    return replace(made, write=write, prepare=max(made.prepare, wanted, state.weight))
