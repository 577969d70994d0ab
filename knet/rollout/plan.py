"""What a rollout is to do: steps, what has to be before each, and what happens when it fails.

All times are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from knet.rollout.criteria import Criteria
from knet.rollout.windows import Window

OnFailure = Literal["rollback", "hold"]


class BadPlan(ValueError):
    """A plan that cannot be followed; `field` is where in the Canary's spec."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Step:
    """The canary gets `weight` percent. What follows waits `pause` seconds, for `approval`, for the analysis.

    Weight 0: only who asks for the canary (its tag's host or header) gets it.
    """

    weight: int
    pause: float = 0.0
    approval: bool = False
    analysis: bool = True


@dataclass(frozen=True, slots=True)
class Hook:
    """Somebody who is asked before or after steps. `weights` empty: every step."""

    name: str
    url: str
    when: Literal["before", "after"] = "before"
    weights: tuple[int, ...] = ()
    timeout: float = 10.0
    retries: int = 3
    ignore: bool = False

    def concerns(self, weight: int) -> bool:
        return not self.weights or weight in self.weights

    def key(self, step: int) -> str:
        """How the state remembers that it was asked for a step."""
        return f"{self.when}:{step}:{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`max_duration` counts what the rollout has run; `deadline` how long a step waits for traffic to judge by.

    `tag` is the canary's in the traffic block, `header` a request header (name, value) that leads to it.
    `analysis` None: nothing is compared. `scale`: pods are ready before their share.
    """

    steps: tuple[Step, ...]
    tag: str = ""
    header: tuple[str, str] | None = None
    analysis: Criteria | None = None
    deadline: float = 3600.0
    max_duration: float | None = None
    on_failure: OnFailure = "rollback"
    windows: tuple[Window, ...] = ()
    hooks: tuple[Hook, ...] = ()
    scale: bool = True

    def hooks_of(self, when: str, step: int) -> tuple[Hook, ...]:
        """Those that are asked before or after a step, in their order."""
        return tuple(h for h in self.hooks if h.when == when and h.concerns(self.steps[step].weight))

    def step_of(self, weight: int) -> int:
        """The last step that gives no more than `weight`; -1 if all give more."""
        return max((i for i, s in enumerate(self.steps) if s.weight <= weight), default=-1)


def checked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps of a plan, ending with 100. Raises BadPlan for weights that do not rise."""
    if not steps:
        raise BadPlan("there are no steps", "spec.steps")
    before = -1
    for i, step in enumerate(steps):
        where = f"spec.steps[{i}]"
        if not 0 <= step.weight <= 100:
            raise BadPlan(f"{step.weight} is no percentage", f"{where}.weight")
        if step.weight <= before:
            raise BadPlan(f"{step.weight} does not rise over {before}", f"{where}.weight")
        if step.pause < 0:
            raise BadPlan("a pause cannot be negative", f"{where}.pause")
        before = step.weight
    return tuple(steps) if before == 100 else (*steps, Step(100, analysis=False))
