"""Kubelet's rules for probes: when to look, and what a row of results means. Pure.

One thing is ours: until a container first answers, startup and readiness probes look much more often
than `periodSeconds`, so that a pod is ready when it is and not a period later. What fails meanwhile
counts once in a period, the first time after a whole one, so that thresholds mean what they mean on a
cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from knet.local.pods.spec import Object

_FIRST, _GROWTH = 0.01, 1.2
_FIRST_EXEC = 0.1
"""A probe that starts a program looks less often at first."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One probe's numbers, with Kubernetes' defaults."""

    kind: str
    delay: float
    period: float
    timeout: float
    successes: int
    failures: int
    eager: float

    @classmethod
    def of(cls, kind: str, probe: Object) -> Rules:
        """`kind` is `startup`, `readiness` or `liveness`."""
        eager = 0.0 if kind == "liveness" else _FIRST_EXEC if "exec" in probe else _FIRST
        return cls(
            kind,
            float(probe.get("initialDelaySeconds") or 0),
            float(probe.get("periodSeconds") or 10),
            float(probe.get("timeoutSeconds") or 1),
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
            eager,
        )


@dataclass(frozen=True, slots=True)
class Course:
    """A row of results. `passing` is None until a threshold was first reached.

    `counted` is when the last result counted, in seconds since the container began; `pause` the next
    pause while looking often.
    """

    passing: bool | None = None
    row: int = 0
    row_passes: bool = False
    answered: bool = False
    counted: float | None = None
    pause: float = 0.0


def first(rules: Rules) -> float:
    """Seconds from a container's begin to its first probe."""
    return rules.delay + rules.eager


def after(rules: Rules, course: Course, passed: bool, now: float) -> tuple[Course, float]:
    """The course with one more result at `now` (since the begin), and the seconds to the next."""
    if not passed and rules.eager and not course.answered:
        pause = min((course.pause or rules.eager) * _GROWTH, rules.period)
        due = now - (rules.delay if course.counted is None else course.counted) >= rules.period
        counted = _count(rules, course, passed, now) if due else course
        return replace(counted, pause=pause), pause
    return replace(_count(rules, course, passed, now), answered=course.answered or passed), rules.period


def _count(rules: Rules, course: Course, passed: bool, now: float) -> Course:
    row = course.row + 1 if course.row and course.row_passes == passed else 1
    reached = row >= (rules.successes if passed else rules.failures)
    return replace(
        course,
        row=row,
        row_passes=passed,
        passing=passed if reached else course.passing,
        counted=now,
    )
