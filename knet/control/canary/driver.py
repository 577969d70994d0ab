"""One look at one rollout: what is seen goes into the machine, and what it decides is done.

The state is written first, then the traffic (knet.rollout.machine). Every write names the version that was looked
at: whoever was quicker is seen at the next look. The CLI and the controller both do no more than this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from knet.control.canary import hooks, record
from knet.control.canary.objects import read, scale, write_block
from knet.control.canary.record import Evidence
from knet.control.canary.statistics import Provider, Sampler, StatisticsError
from knet.kube.client import Client, Object
from knet.kube.sync import Key, key_of
from knet.model.canary import Canary
from knet.rollout import state as states
from knet.rollout import traffic
from knet.rollout.analysis import Analysis, evidence, judge, observe
from knet.rollout.commands import Command, Refused, obey
from knet.rollout.criteria import Outcome, Verdict
from knet.rollout.machine import Decision, HookAnswer, Observation, begin, decide
from knet.rollout.plan import Hook, Plan
from knet.rollout.samples import sample
from knet.rollout.seen import Seen, owner, shares
from knet.rollout.spec import plan_of, seconds
from knet.rollout.state import Phase, State
from knet.serving.shares import Target

TICK = 1.0
_KEPT_EVERY = 5.0
_IDLE = 30.0
_log = logging.getLogger(__name__)

Hears = Callable[[Object, State], None]


@dataclass(slots=True)
class Memory:
    """What need not outlive the process: what was done last, the sampler, the hooks that are being asked."""

    state: State | None = None
    version: str = ""
    saved: float = 0.0
    sampler: Sampler | None = None
    evidence: Evidence | None = None
    asking: str = ""
    asked: dict[str, asyncio.Task[HookAnswer]] = field(default_factory=dict)

    def asks_for(self, about: str) -> None:
        """Which rollout hooks are asked for now: what they say about another one counts for nothing."""
        if self.asking != about:
            for task in self.asked.values():
                task.cancel()
            self.asked.clear()
            self.asking = about


@dataclass(frozen=True, slots=True)
class Case:
    """What one look is about."""

    item: Object
    made: Canary
    plan: Plan
    seen: Seen
    memory: Memory


class Driver:
    """`hears` is told of every new phase, weight and reason. Without a `provider` nothing can pass an analysis."""

    def __init__(
        self,
        client: Client,
        provider: Provider | None = None,
        hears: Hears = lambda *_: None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        providers: Callable[[Canary], Provider | None] = lambda _: None,
    ) -> None:
        """`providers` gives a provider of the Canary's own, where its spec names one."""
        self._client, self._provider, self._providers = client, provider, providers
        self._hears, self._clock, self._monotonic = hears, clock, monotonic
        self._known: dict[Key, Memory] = {}

    def forget(self, key: Key) -> None:
        """A Canary is gone."""
        memory = self._known.pop(key, None)
        if memory is not None:
            memory.asks_for("")

    async def look(self, item: Object, commands: Sequence[Command] = ()) -> float | None:
        """Seconds until the next look, None if nothing is to be done until something changes.

        `item` becomes what is written. Raises commands.Refused, BadPlan, ValidationError (admission has let none of
        the latter two in), NotFound if there is no such Service, and what the API refuses.
        """
        made = record.parsed(item)
        plan = plan_of(made.spec)
        memory = self._known.setdefault(key_of(item), Memory())
        state = _state(item, memory)
        names = (state.stable, state.canary) if state else ()
        seen = await read(self._client, item["metadata"]["namespace"], made.spec.service, names)
        if not (seen.settled or commands) and (state is None or state.ended):
            return TICK  # what the newest revision is, is not known yet
        case = Case(item, made, plan, seen, memory)
        started, wait = await self._started(case, state)
        if started is None or wait is not None:
            if commands:
                raise Refused("no rollout runs yet", "it begins with the Service's next revision")
            return wait
        share = traffic.share(seen.block, started.stable, started.canary)
        for command in commands:  # however long ago somebody has looked: what people say is done now
            started = replace(obey(plan, started, command, share), seen=self._clock())
        return await self._moved(case, started, share)

    async def _started(self, case: Case, state: State | None) -> tuple[State | None, float | None]:
        """The rollout that is to be looked at, one that begins now included; or none, and when to look again."""
        spec, seen = case.made.spec, case.seen
        newest = spec.revision or seen.latest("Created")
        if state is not None and not state.ended:
            if not seen.settled or newest in ("", state.canary, state.stable):
                return state, None
            if spec.follow:
                return await self._begun(case, state.stable, newest), TICK
            if state.phase is Phase.STOPPED:
                return state, None
            told = f"{newest} was created while {state.canary} was being rolled out"
            return await self._saved(case, state.to(Phase.STOPPED, "NewRevision", told)), _IDLE
        if state is not None and (not spec.follow or not state.settled):
            return state, None
        stable = spec.stable_revision or traffic.holder(seen.block, seen.latest("Ready"))
        if not stable or not newest:
            return None, _IDLE
        rejected = state.canary if state and state.phase is Phase.ROLLED_BACK else ""
        if newest not in (stable, rejected):
            return await self._begun(case, stable, newest), TICK
        if any(t.percent and not t.revision for t in seen.block):  # the next one must not go live by itself
            await write_block(self._client, seen.service, traffic.block(seen.block, stable, "", 0))
        return state, None if state else _IDLE

    async def _begun(self, case: Case, stable: str, canary: str) -> State:
        """A new rollout. Traffic first: until the state says so it is begun again, which changes nothing."""
        wanted = traffic.block(case.seen.block, stable, canary, 0, case.plan.tag)
        if not traffic.same(wanted, case.seen.block):
            await write_block(self._client, case.seen.service, wanted, _audience(case.plan, None))
        return await self._saved(case, begin(stable, canary, self._clock()))

    async def _moved(self, case: Case, state: State, share: int | None) -> float | None:
        plan, seen, memory = case.plan, case.seen, case.memory
        memory.asks_for("" if state.ended else record.about(state))
        if state.ended and state.settled:
            await scale(self._client, seen.autoscalers.get(state.canary), 0)
            return None
        observation = _observation(case, state, share)
        observation = replace(observation, verdict=await self._judged(case, state), hook=_answer(memory))
        decision = decide(plan, state, observation, self._clock())
        after = decision.state
        answer = observation.hook
        if answer is not None and answer.key not in after.done and not after.ended:
            _remember(memory, answer)  # it has not been taken in yet: it must not be asked again
        if record.differs(states.load(case.item.get("status") or {}), after) or self._due(memory):
            await self._saved(case, after)
        else:
            memory.state = after
        if decision.write is not None:
            wanted = _block(case, after, decision.write)
            await write_block(self._client, seen.service, wanted, _audience(plan, after))
        if plan.scale:
            await self._scaled(seen, decision, share or 0)
        if decision.call is not None:
            _ask(case, after, decision.call)
        return None if after.ended and after.settled else TICK

    async def _saved(self, case: Case, state: State) -> State:
        item, memory, now = case.item, case.memory, self._clock()
        before = states.load(item.get("status") or {})
        written = await record.save(self._client, item, state, now, _told(memory, state))
        item.clear()
        item.update(written)
        memory.state, memory.version, memory.saved = state, written["metadata"]["resourceVersion"], now
        said = (state.phase, state.weight, state.reason)
        if before is None or (before.phase, before.weight, before.reason) != said:
            self._hears(written, state)
        return state

    def _due(self, memory: Memory) -> bool:
        return not 0 <= self._clock() - memory.saved < _KEPT_EVERY

    async def _judged(self, case: Case, state: State) -> Verdict | None:
        """The verdict over what has been seen, the window that has just ended included."""
        plan, memory, spec = case.plan, case.memory, case.made.spec
        if plan.analysis is None or state.ended or state.phase is Phase.STOPPED:
            return None
        provider = self._providers(case.made) or self._provider
        if provider is None:
            return Verdict(
                Outcome.WAIT, "NoStatistics", "nothing here tells how requests fare: see docs/canary.md"
            )
        if memory.sampler is None or memory.sampler.provider is not provider:
            length = seconds(spec.analysis.window, "spec.analysis.window")
            memory.sampler = Sampler(provider, length, self._monotonic)
        if memory.evidence is None:
            memory.evidence = await record.read(self._client, case.item)
        now = memory.evidence = memory.evidence.at(state)
        try:
            found = await memory.sampler.window(
                case.item["metadata"]["namespace"], state.stable, state.canary
            )
        except StatisticsError as error:
            return Verdict(Outcome.WAIT, "NoStatistics", str(error))
        if found is not None:
            weight = state.weight if state.settled else state.before
            samples = (*now.samples, sample(self._clock(), weight, found))
            now = replace(now, analysis=observe(now.analysis, found, plan.analysis), samples=samples)
            await record.keep(self._client, case.item, now)
        memory.evidence = now
        return judge(now.analysis, plan.analysis)

    async def _scaled(self, seen: Seen, decision: Decision, share: int) -> None:
        state = decision.state
        wanted = 0
        if not state.ended and state.phase is not Phase.STOPPED:
            wanted = seen.needed(state.stable, state.canary, share, decision.prepare)
        await scale(self._client, seen.autoscalers.get(state.canary), wanted)


def _state(item: Object, memory: Memory) -> State | None:
    """What is kept; or what has happened since, where it has been kept as it is but for times that pass."""
    if memory.version and memory.version == item["metadata"].get("resourceVersion"):
        return memory.state
    return states.load(item.get("status") or {})


def _observation(case: Case, state: State, share: int | None) -> Observation:
    seen = case.seen
    created = seen.created(state.canary)
    capacity = seen.capacity(state.stable, state.canary, share or 0) if case.plan.scale else 100 * created
    return Observation(
        share,
        exact=traffic.same(seen.block, _block(case, state, state.weight))
        and seen.audience == _audience(case.plan, state),
        served=seen.served(),
        by=f"{owner(seen.service) or 'somebody'} has written: {shares(seen.block)}",
        created=created,
        capacity=capacity,
        # both at once is what both depend on
        failed="" if seen.failure(state.stable) else seen.failure(state.canary),
    )


def _block(case: Case, state: State, weight: int) -> tuple[Target, ...]:
    now, plan = case.seen.block, case.plan
    return traffic.block(now, state.stable, state.canary, weight, plan.tag, ended=state.ended)


def _audience(plan: Plan, state: State | None) -> str:
    if plan.header is None or (state is not None and state.ended):
        return ""
    return f"{plan.tag}:{plan.header[0]}={plan.header[1]}"


def _ask(case: Case, state: State, call: tuple[str, Hook]) -> None:
    key, hook = call
    asked = case.memory.asked
    if key not in asked:
        asked[key] = asyncio.create_task(hooks.ask(key, hook, _question(case, state, call)))


def _question(case: Case, state: State, call: tuple[str, Hook]) -> dict[str, Any]:
    """What a hook is told. Whoever is asked twice, because who asked has died, knows it by `key` and the revision."""
    key, hook = call
    return {
        "namespace": case.made.metadata.namespace,
        "canary": case.made.metadata.name,
        "service": case.made.spec.service,
        "stableRevision": state.stable,
        "canaryRevision": state.canary,
        "phase": str(state.phase),
        "weight": state.weight,
        "reason": state.reason,
        "message": state.message,
        "key": key,
        "hook": hook.name,
        "when": hook.when,
        "stepWeight": case.plan.steps[state.step + (hook.when == "before")].weight,
    }


def _answer(memory: Memory) -> HookAnswer | None:
    done = next((key for key, task in memory.asked.items() if task.done()), None)
    return memory.asked.pop(done).result() if done is not None else None


def _remember(memory: Memory, answer: HookAnswer) -> None:
    async def again() -> HookAnswer:
        return answer

    memory.asked[answer.key] = asyncio.create_task(again())


def _told(memory: Memory, state: State) -> dict[str, Any] | None:
    """The analysis for people."""
    if memory.evidence is None or memory.evidence.about != record.about(state):
        return None if memory.evidence is None else {}
    made: Analysis = memory.evidence.analysis
    failing, slower = evidence(made)

    def side(counts: Any) -> dict[str, Any]:
        return {
            "requests": int(counts.requests),
            "errors": int(counts.errors),
            "p50": round(counts.latency.quantile(0.5), 2),
            "p99": round(counts.latency.quantile(0.99), 2),
        }

    return {
        "stable": side(made.stable),
        "canary": side(made.canary),
        "stepRequests": int(made.step_canary),
        "errorEvidence": round(failing, 2),
        "latencyEvidence": round(slower, 2),
    }
