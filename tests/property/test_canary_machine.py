"""The canary's state machine, against everything that can happen to it.

`Shell` is the smallest executor there can be: it writes the status, then the traffic, and may die before either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from knet.rollout import traffic
from knet.rollout.commands import Command, obey
from knet.rollout.criteria import Criteria, Outcome, Verdict
from knet.rollout.machine import LONGEST_TICK, PATIENCE, HookAnswer, Observation, begin, decide
from knet.rollout.plan import Hook, Plan, Step, checked
from knet.rollout.state import Phase, dump, load
from knet.rollout.windows import Window
from knet.serving.shares import Target

STABLE, CANARY = "hello-00001", "hello-00002"
GOOD = Verdict(Outcome.PASS, "Good", "no worse")
BAD = Verdict(Outcome.FAIL, "Errors", "5 % of requests fail")
NONE = Verdict(Outcome.WAIT, "FewRequests", "3 of 100")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    weights = sorted(draw(st.sets(st.integers(0, 100), min_size=1, max_size=6)))
    steps = checked(
        [
            Step(w, draw(st.sampled_from([0.0, 5.0, 60.0])), draw(st.booleans()), draw(st.booleans()))
            for w in weights
        ]
    )
    hooks = tuple(
        Hook(f"h{i}", "http://hook", draw(st.sampled_from(["before", "after"])))
        for i in range(draw(st.integers(0, 2)))
    )
    windows = draw(st.sampled_from([(), (Window(0, 720),)]))
    tag = draw(st.sampled_from(["", "canary"]))
    return Plan(steps, tag, analysis=Criteria(), hooks=hooks, windows=windows, deadline=300.0)


@dataclass
class Shell:
    """`block` is the traffic block in the API, `status` what is kept of the rollout; the rest dies with it."""

    plan: Plan
    now: float = 0.0
    block: tuple = ()
    status: str = ""
    answered: HookAnswer | None = None
    calls: list[str] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.block = traffic.block((), STABLE, CANARY, 0)
        self.status = json.dumps(dump(begin(STABLE, CANARY, self.now)))

    @property
    def state(self):
        return load(json.loads(self.status))

    def share(self) -> int | None:
        return traffic.share(self.block, STABLE, CANARY)

    def wanted(self, state, weight: int):
        return traffic.block(self.block, state.stable, state.canary, weight, self.plan.tag, ended=state.ended)

    def look(self, seen: Observation, commands=(), dies: str = "") -> None:
        state = self.state
        for command in commands:
            state = obey(self.plan, state, command, self.share())
        exact = traffic.same(self.block, self.wanted(state, state.weight))
        seen = replace(seen, share=self.share(), exact=exact, hook=self.answered)
        made = decide(self.plan, state, seen, self.now)
        self.answered = None
        if dies == "before status":
            return
        self.status = json.dumps(dump(made.state))
        if dies == "before traffic":
            return
        if made.write is not None:
            self.block = self.wanted(made.state, made.write)
            assert sum(t.percent for t in self.block) == 100
            assert all(t.revision for t in self.block)
            self.weights += [self.share()] if self.share() or self.weights else []
        if made.call is not None and dies != "before hook":
            self.calls.append(made.call[0])
            self.answered = HookAnswer(made.call[0], ok=True)


LOOKS = st.tuples(
    st.sampled_from([1.0, 5.0, 29.0, -3600.0, 86400.0]),
    st.sampled_from([GOOD, GOOD, GOOD, NONE, None, BAD]),
    st.booleans(),
    st.sampled_from([0, 10, 50, 100, 100]),
    st.sampled_from(["", "", "", "before status", "before traffic", "before hook"]),
    st.sampled_from([None, None, "step", "pause", "resume"]),
)


@given(plans(), st.lists(LOOKS, max_size=60))
def test_weights_are_whole_monotone_and_never_skip_a_gate(plan, looks):
    shell = Shell(plan, now=6 * 3600.0)
    credited = 0.0
    by_hand: set[int] = set()
    for dt, verdict, served, capacity, dies, verb in looks:
        shell.now += dt
        before = shell.state
        credited += dt if 0 < dt <= LONGEST_TICK else 0.0
        commands = []
        if verb and not before.ended and (verb != "resume" or before.paused):
            commands = [Command(verb)]
            if verb == "step" and dies != "before status":
                by_hand.add(before.step)
        shell.look(Observation(0, served=served, capacity=capacity, verdict=verdict), commands, dies)
        after = shell.state
        assert after.weight >= before.weight or after.phase is Phase.ROLLED_BACK
        assert after.phase is not Phase.STOPPED  # nobody else has touched it
        if after.step == before.step + 1 and before.step >= 0:  # it went on: every gate of the step was open
            gone = plan.steps[before.step]
            assert before.settled or served
            assert after.step not in (before.step, before.step + 2)
            assert before.step in by_hand or before.elapsed + max(dt, 0.0) >= gone.pause
            assert before.step in by_hand or not gone.analysis or verdict is GOOD
            assert before.step in by_hand or not gone.approval
            assert all(h.key(before.step) in after.done for h in plan.hooks_of("after", before.step))
            assert 0 <= dt <= LONGEST_TICK
            assert all(w.open(shell.now) for w in plan.windows)
            assert after.weight <= capacity or (before.starved >= PATIENCE and capacity)
        if verdict is BAD and dies != "before status" and not before.ended:
            assert after.phase is Phase.ROLLED_BACK
        assert shell.share() in (before.weight, before.before, after.weight, 0)
    assert shell.state.total <= credited + 0.01 * len(looks)
    rises = [w for w in shell.weights if w] if shell.state.phase is Phase.ROLLED_BACK else shell.weights
    assert rises == sorted(rises)


@given(
    plans(), st.lists(st.sampled_from(["", "before status", "before traffic", "before hook"]), max_size=40)
)
def test_whatever_dies_where_the_same_weights_follow(plan, deaths):
    """A run with crashes writes the same weights in the same order as one without, and ends the same."""
    plan = replace(plan, steps=tuple(replace(s, approval=False) for s in plan.steps), windows=())

    def run(deaths: list[str]) -> Shell:
        shell = Shell(plan)
        left = list(deaths)
        for _ in range(4000):
            shell.now += 5.0
            shell.look(Observation(0, verdict=GOOD), dies=left.pop(0) if left else "")
            if shell.state.ended and shell.state.settled and not left:
                return shell
        raise AssertionError(shell.state)

    whole, broken = run([]), run(deaths)
    assert broken.state.phase is whole.state.phase is Phase.SUCCEEDED
    assert broken.block == whole.block == (Target(CANARY, 100),)
    wanted = [s.weight for s in plan.steps if s.weight]
    assert list(dict.fromkeys(broken.weights)) == list(dict.fromkeys(whole.weights)) == wanted
    assert set(broken.calls) == set(whole.calls)


@given(plans(), st.integers(0, 60), st.sampled_from(["", "kubectl"]))
def test_a_change_by_others_stops_it_for_good(plan, looks, how):
    shell = Shell(plan)
    for _ in range(looks):
        shell.now += 5.0
        shell.look(Observation(0, verdict=GOOD))
    if shell.state.ended:
        return
    shell.block = traffic.block((), STABLE, CANARY, 77 if shell.state.weight != 77 else 78)
    held = shell.block
    for _ in range(5):
        shell.now += 5.0
        shell.look(Observation(0, by=how, verdict=GOOD))
        assert shell.state.phase is Phase.STOPPED
        assert shell.block == held
    shell.look(Observation(0, verdict=GOOD), [Command("resume")])
    assert shell.state.phase in (Phase.PROGRESSING, Phase.PAUSED)
    assert shell.share() >= 77


@given(plans(), st.integers(0, 80), st.sampled_from(["abort", "promote", "set"]), st.integers(0, 100))
def test_what_people_say_is_done_at_any_time(plan, looks, verb, weight):
    shell = Shell(plan)
    for _ in range(looks):
        shell.now += 5.0
        shell.look(Observation(0, verdict=GOOD))
    if shell.state.ended:
        return
    shell.look(Observation(0, verdict=GOOD), [Command(verb, weight)])
    for _ in range(30):
        shell.now += 5.0
        shell.look(Observation(0, verdict=GOOD))
    wanted = {"abort": 0, "promote": 100, "set": weight}[verb]
    if verb == "set" and weight == 100:
        assert shell.share() == 100
    assert shell.share() == wanted
    assert shell.state.phase is {"abort": Phase.ROLLED_BACK, "promote": Phase.SUCCEEDED}.get(
        verb, Phase.SUCCEEDED if weight == 100 else Phase.PAUSED
    ), shell.state
