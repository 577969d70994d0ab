"""Why a Service is not ready yet, in words that its user can act on, beside Knative's own reasons.

It stands in the status as a condition of its own that nothing hangs on: the deepest object of the Service's chain that
waits, and what it says (`chain`).
"""

from __future__ import annotations

from knet.serving.chain import Link, State
from knet.serving.conditions import Conditions

WAITING = "Waiting"
AFTER_S = 5.0
"""So long a Service may be on its way before anybody is told why."""
LONGEST_S = 60.0


def explain(conditions: Conditions, chain: Link, last: str = "") -> None:
    """Says what a chain waits for. `last` is what happened to the culprit last, e.g. a probe's answer."""
    culprit = chain.culprit
    if culprit is None or culprit is chain:
        over(conditions)
        return
    said = culprit.said or ", ".join(culprit.facts) or "it says nothing yet"
    words = f"{culprit.kind} {culprit.name}: {said}" + (f" ({last.strip()})" if last else "")
    reason = "Failing" if culprit.state is State.FAILED else "WaitingFor"
    conditions.true(WAITING, f"{reason}{culprit.kind.partition('.')[0]}", words)


def over(conditions: Conditions) -> None:
    """There is nothing to wait for."""
    conditions.found.pop(WAITING, None)


def pause(waited: float) -> float:
    """After how many seconds to look again, having waited so long."""
    return min(max(AFTER_S, waited), LONGEST_S) if waited >= AFTER_S else AFTER_S - waited
