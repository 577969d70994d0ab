"""Gradual rollout of the latest revision: how a configuration's share moves from old to new.

The rules are facts/serving.md 33 to 37; times are nanoseconds since the epoch and come from the
caller. Where upstream's Go panics (a decrease that removes an old revision, fact 36), the revisions
that remain are used: `docs/deviations.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StepParams:
    """When a configuration's rollout began, and how it goes on; zeros mean not known yet."""

    start: int = 0
    next: int = 0
    duration: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class RevisionShare:
    revision: str
    percent: int


@dataclass(frozen=True, slots=True)
class ConfigurationRollout:
    """The share of one configuration under one tag, oldest revision first."""

    configuration: str
    percent: int
    revisions: tuple[RevisionShare, ...] = ()
    tag: str = ""
    params: StepParams = field(default_factory=StepParams)

    @property
    def done(self) -> bool:
        return len(self.revisions) < 2


@dataclass(frozen=True, slots=True)
class Rollout:
    """All configurations that follow their latest revision, sorted by tag and name."""

    configurations: tuple[ConfigurationRollout, ...] = ()

    @property
    def done(self) -> bool:
        return all(c.done for c in self.configurations)

    @property
    def valid(self) -> bool:
        """Whether it can be gone on from; one that is not is forgotten."""
        return all(
            c.percent <= 100
            and 0 <= c.params.size <= c.percent
            and sum(r.percent for r in c.revisions) == c.percent
            for c in self.configurations
        )

    def find(self, tag: str, configuration: str) -> ConfigurationRollout | None:
        """The rollout of one configuration under one tag."""
        for item in self.configurations:
            if item.tag == tag and item.configuration == configuration:
                return item
        return None


def rollout(configurations: Iterable[ConfigurationRollout]) -> Rollout:
    """A Rollout in its order: by tag, then by name."""
    return Rollout(tuple(sorted(configurations, key=lambda c: (c.tag, c.configuration))))


def observe_ready(state: Rollout, now: int, duration: int) -> Rollout:
    """The state once the gateway serves what was started: each new rollout gets its pace (fact 34).

    `duration` is the whole rollout's, in seconds.
    """
    return Rollout(tuple(_paced(c, now, float(duration)) for c in state.configurations))


def step(goal: Rollout, state: Rollout | None, now: int) -> tuple[Rollout, int]:
    """What is to be served now, on the way from `state` to `goal`, and when to look again (0: never).

    `goal` has one revision in each configuration; `state` is what was served before, None or invalid
    states having been dropped by the caller.
    """
    if state is None or not state.configurations:
        return goal, 0
    before = {c.tag: tuple(p for p in state.configurations if p.tag == c.tag) for c in state.configurations}
    made: list[ConfigurationRollout] = []
    for tag in sorted({c.tag for c in goal.configurations}):
        wanted = tuple(c for c in goal.configurations if c.tag == tag)
        if tag in before:
            made += _merged(wanted, before[tag], now)
        else:
            made.append(wanted[0])
    times = [c.params.next for c in made if c.params.next > 0]
    return rollout(made), min(times, default=0)


def _merged(
    wanted: Sequence[ConfigurationRollout], before: Sequence[ConfigurationRollout], now: int
) -> Iterable[ConfigurationRollout]:
    known = {c.configuration: c for c in before}
    last = max(known)
    for goal in wanted:
        # upstream keeps what is beyond the last one known, be it nothing
        if goal.percent == 0 and goal.configuration <= last:
            continue
        state = known.get(goal.configuration)
        if state is None or goal.percent == 1 or not state.revisions:
            yield goal
        else:
            yield _advanced(goal, _resized(state.revisions, state.percent, goal.percent), state.params, now)


def _resized(shares: tuple[RevisionShare, ...], old: int, new: int) -> list[RevisionShare]:
    """The shares for another total: the newest takes an increase, the oldest bear a decrease."""
    made = list(shares)
    if new >= old:
        made[-1] = RevisionShare(made[-1].revision, made[-1].percent + new - old)
        return made
    less = old - new
    while less and made:
        first = made[0]
        if first.percent > less:
            made[0] = RevisionShare(first.revision, first.percent - less)
            break
        less -= first.percent
        del made[0]
    return made


def _advanced(
    goal: ConfigurationRollout, shares: list[RevisionShare], params: StepParams, now: int
) -> ConfigurationRollout:
    latest = goal.revisions[0].revision
    if not shares:
        return goal
    if shares[-1].revision != latest:
        return replace(goal, revisions=_begun(shares, latest), params=StepParams(start=now))
    if len(shares) == 1:
        return replace(goal, revisions=tuple(shares), params=StepParams())
    if params.size > 0 and now >= params.next:
        shares = _shifted(shares, params.size, goal.percent)
        params = replace(params, next=now + params.duration) if len(shares) > 1 else StepParams()
    return replace(goal, revisions=tuple(shares), params=params)


def _begun(shares: list[RevisionShare], latest: str) -> tuple[RevisionShare, ...]:
    """With one percent for the new revision, from the newest that has any."""
    giver = max((i for i, s in enumerate(shares) if s.percent > 0), default=None)
    kept = [replace(s, percent=s.percent - 1) if i == giver else s for i, s in enumerate(shares)]
    return (*(s for s in kept if s.percent), RevisionShare(latest, 1))


def _shifted(shares: list[RevisionShare], size: int, total: int) -> list[RevisionShare]:
    """One step: the second newest gives first, the oldest last; the newest has at most the total."""
    older, newest = shares[:-1], shares[-1]
    remaining = size
    while older and 0 < remaining >= older[-1].percent:
        remaining -= older.pop().percent
    if older:
        last = older.pop()
        older.append(RevisionShare(last.revision, last.percent - remaining))
    return [*older, RevisionShare(newest.revision, min(newest.percent + size, total))]


def _paced(item: ConfigurationRollout, now: int, duration: float) -> ConfigurationRollout:
    params = item.params
    if params.duration or params.start <= 0:
        return item
    least = max(1.0, float(math.ceil((now - params.start) / SECOND)))
    rest = max(1.0, duration - least)
    points = float(item.percent - 1)
    if points <= 0:
        return item
    steps = min(max(1.0, rest / least), points)
    # sums of nanoseconds in doubles, as upstream makes them: they differ in the last digits
    nanoseconds = rest / steps * SECOND
    made = StepParams(
        params.start, int(float(now) + nanoseconds), int(nanoseconds), math.floor(points / steps + 0.5)
    )
    return replace(item, params=made)
