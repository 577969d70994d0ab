"""What the canary is held against, and the verdict over it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

PERCENTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Criteria:
    """`alpha` is the chance that a canary as good as the stable revision is ever called worse, over a whole rollout.

    `errors`: by how much its share of failed requests may exceed the stable revision's (0.001 is 0.1 of a
    hundred). `latency`: by what factor its latency may exceed the stable revision's at `percentiles`. None
    leaves that comparison out. `requests`: how many of each side a step needs before it can pass.
    """

    alpha: float = 0.01
    errors: float | None = 0.001
    latency: float | None = 1.1
    percentiles: tuple[float, ...] = PERCENTILES
    requests: int = 100


class Outcome(enum.StrEnum):
    """WAIT is not a pass: there is not enough to judge by."""

    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reason: str
    message: str
