"""What is to be done about a pod now: a pure function of its spec, what its containers did, and the time.

The rules are kubelet's: init containers in order, sidecars (KEP-753) from their place in that order
until everything else has ended, restarts by policy with a pause that doubles, and a termination that
ends sidecars last, in reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from knet.local.pods.spec import (
    Container,
    Object,
    Role,
    containers,
    grace,
    restart_policy,
    terminating,
)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between restarts: none before the first, then `base`, doubling up to `longest`.

    A run of `reset` seconds or more clears the count (kubelet: 10 minutes). Images and
    configuration that are missing are looked for every `base` seconds: looking costs nothing here.
    """

    base: float = 10.0
    longest: float = 300.0
    reset: float = 600.0

    @property
    def pulling(self) -> float:
        """Seconds for which a failed look for an image shows as ErrImagePull, before it is a back-off."""
        return min(1.0, self.base / 2)

    def pause(self, ends: int) -> float:
        """Seconds to wait after the `ends`-th end in a row."""
        return 0.0 if ends <= 1 else float(min(self.base * 2 ** min(ends - 2, 30), self.longest))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. `code` is 128 + the signal's number if one ended it, as shells have it."""

    code: int
    reason: str
    message: str = ""
    signal: int = 0
    started: float = 0.0
    finished: float = 0.0
    run: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a container cannot be started: a waiting reason of kubelet, words, and the last attempt."""

    reason: str
    message: str
    tried: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What one container has done so far. `run` names the run under way, or the last."""

    run: str = ""
    started: float | None = None
    ended: Ended | None = None
    previous: Ended | None = None
    problem: Problem | None = None
    restarts: int = 0
    ends: int = 0
    up: bool = False
    ready: bool = False
    unhealthy: str = ""
    kill_grace: float | None = None

    @property
    def running(self) -> bool:
        return self.started is not None

    def begun(self, run: str, now: float, of: Container) -> Seen:
        """A run began. Without a startup probe it counts as up, without a readiness probe as ready."""
        up = of.probe("startup") is None
        return Seen(
            run=run,
            started=now,
            previous=self.ended or self.previous,
            restarts=self.restarts + (self.ended is not None),
            ends=self.ends,
            up=up,
            ready=up and of.probe("readiness") is None,
        )

    def over(self, ended: Ended, backoff: Backoff) -> Seen:
        """The run ended, or could not even be executed."""
        long = ended.finished - ended.started >= backoff.reset
        return Seen(
            run=ended.run,
            ended=ended,
            previous=self.previous if self.running else self.ended or self.previous,
            restarts=self.restarts if self.running else self.restarts + (self.ended is not None),
            ends=1 if long else self.ends + 1,
        )

    def refused(self, problem: Problem) -> Seen:
        """It could not be started; the last run stays known."""
        return replace(self, problem=problem)

    def retry_at(self, backoff: Backoff) -> float:
        """When it may be started (again)."""
        tried = self.problem.tried + backoff.base if self.problem else 0.0
        return max(tried, self.ended.finished + backoff.pause(self.ends) if self.ended else 0.0)


Sights = Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class Stop:
    """A container has to end within `grace` seconds; `reason` is for people."""

    name: str
    grace: float
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: containers to start and to stop; `over`: nothing runs, and nothing will again.

    `wake` is the time at which to ask again even if nothing happens.
    """

    start: tuple[str, ...] = ()
    stop: tuple[Stop, ...] = ()
    over: bool = False
    wake: float | None = None


def restarts(pod: Object, of: Container, ended: Ended) -> bool:
    """Whether a container that ended so is started again."""
    if terminating(pod):
        return False
    policy = restart_policy(pod)
    if of.role is Role.SIDECAR or (of.role is Role.MAIN and policy == "Always"):
        return True
    return ended.code != 0 and policy != "Never"


def initialized(pod: Object, seen: Sights) -> bool:
    """Whether the main containers may run: all init containers succeeded, all sidecars are up."""
    found = containers(pod)
    if any(c.role is Role.MAIN and _touched(seen, c) for c in found):
        return True
    return not any(_blocks(seen, c) for c in found if c.role is not Role.MAIN)


def outcome(pod: Object, seen: Sights) -> str:
    """`Succeeded` or `Failed` once a pod has run its course, else nothing."""
    mains: list[Ended] = []
    for found in containers(pod):
        ended = _of(seen, found).ended
        final = ended is not None and not restarts(pod, found, ended)
        if found.role is Role.INIT and final and ended is not None and ended.code:
            return "Failed"
        if found.role is Role.MAIN:
            if ended is None or not final:
                return ""
            mains.append(ended)
    return "Failed" if any(e.code for e in mains) else "Succeeded"


def decide(pod: Object, seen: Sights, now: float, backoff: Backoff) -> Plan:
    """The next steps for a pod. The caller does them, notes what came of it, and asks again."""
    if terminating(pod) or outcome(pod, seen):
        return _ending(pod, seen)
    stop = tuple(
        Stop(c.name, _unhealthy_grace(pod, seen[c.name]), seen[c.name].unhealthy)
        for c in containers(pod)
        if _of(seen, c).running and seen[c.name].unhealthy
    )
    due: list[str] = []
    later: list[float] = []
    for found in _wanted(pod, seen):
        at = _of(seen, found).retry_at(backoff)
        if at <= now:
            due.append(found.name)
        else:
            later.append(at)
    return Plan(tuple(due), stop, wake=min(later, default=None))


def _wanted(pod: Object, seen: Sights) -> Iterable[Container]:
    """Containers that should run and do not."""
    ready = initialized(pod, seen)
    for found in containers(pod):
        one = _of(seen, found)
        if found.role is Role.MAIN and not ready:
            return
        skipped = found.role is Role.INIT and ready
        if not one.running and not skipped and (one.ended is None or restarts(pod, found, one.ended)):
            yield found
        if not ready and _blocks(seen, found):
            return


def _ending(pod: Object, seen: Sights) -> Plan:
    """Everything but sidecars at once; then sidecars one after the other, the last one first."""
    running = [c for c in containers(pod) if _of(seen, c).running]
    first = [c for c in running if c.role is not Role.SIDECAR] or running[-1:]
    seconds = grace(pod)
    why = "the pod is deleted" if terminating(pod) else "the pod has run its course"
    return Plan(stop=tuple(Stop(c.name, seconds, why) for c in first), over=not running)


def _blocks(seen: Sights, found: Container) -> bool:
    one = _of(seen, found)
    if found.role is Role.SIDECAR:
        return not (one.running and one.up)
    return one.ended is None or one.ended.code != 0


def _unhealthy_grace(pod: Object, one: Seen) -> float:
    return grace(pod) if one.kill_grace is None else one.kill_grace


def _touched(seen: Sights, found: Container) -> bool:
    one = _of(seen, found)
    return one.running or one.ended is not None or one.problem is not None


def _of(seen: Sights, found: Container) -> Seen:
    return seen.get(found.name) or Seen()
