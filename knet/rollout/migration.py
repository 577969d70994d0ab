"""From one gateway to another: (what is remembered, what is seen) → the next step, and why. Pure.

Both gateways serve every KIngress from the beginning to the end, so that a request may come through either at any
moment; what moves is which of them KIngresses name as their class, and after that the traffic from outside. Going back
is the same way with the gateways exchanged, so that there is no second set of rules. Only what people decided has to be
remembered; all else is seen, so that whoever is killed anywhere is followed by somebody who goes on.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from knet.text import json

NAME = "knet-migration"
"""The ConfigMap of knative-serving that remembers it. Controllers follow it."""
REPORTS = f"{NAME}-"
"""With the gateway's name behind it, the ConfigMap in which a controller says how far it is."""
MOST = 1000
"""How many names a report holds."""
_SHOWN = 3


class Phase(enum.StrEnum):
    """BOTH: both gateways serve all KIngresses. CLOSING: the source serves none of the target's class any longer."""

    BOTH = "both"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Migration:
    """What is remembered. `source` and `target` are gateways.

    `outside` is the gateway that the traffic from outside comes through as far as people have said, "" from when they
    are told to move it until they say that they have. `accepted`: they take the differences between the gateways.
    `back`: this is the way back. `turn` counts the times when others are to be served than before: a report of an
    earlier turn says nothing.
    """

    source: str
    target: str
    outside: str
    phase: Phase = Phase.BOTH
    accepted: bool = False
    back: bool = False
    turn: int = 1

    def returned(self) -> Migration:
        """The way back from wherever it is. The target's answers are known there: it has served before."""
        return Migration(
            self.target, self.source, self.outside, accepted=True, back=not self.back, turn=self.turn + 1
        )


def begin(source: str, target: str, *, accepted: bool = False) -> Migration:
    """A migration that has done nothing yet: the world comes in through the source."""
    return Migration(source, target, source, accepted=accepted)


def dump(found: Migration) -> str:
    """As text, to be kept."""
    return json.canonical({**asdict(found), "phase": str(found.phase)}).decode()


def load(text: str) -> Migration:
    """What `dump` made. Raises ValueError for anything else."""
    try:
        said = json.loads(text.encode())
        return Migration(**{**said, "phase": Phase(said["phase"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"no state of a migration: {error}") from error


@dataclass(frozen=True, slots=True)
class Report:
    """What the controller of one gateway says, of a turn. `digest` tells which versions of KIngresses it speaks of.

    `waiting`: those that its gateway does not serve yet, or cannot, NAMESPACE/NAME; the first `MOST` of them.
    """

    turn: int
    digest: str
    total: int
    ready: int
    waiting: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def dump_report(found: Report) -> str:
    return json.canonical(asdict(found)).decode()


def load_report(text: str) -> Report:
    """What `dump_report` made. Raises ValueError for anything else."""
    try:
        said = json.loads(text.encode())
        return Report(**{**said, "waiting": tuple(said["waiting"]), "reasons": tuple(said["reasons"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"no report of a controller: {error}") from error


def digest(versions: Mapping[tuple[str, str], Any]) -> str:
    """Of KIngresses by key: what tells their versions apart, whatever their class."""
    return json.digest([[*key, found] for key, found in sorted(versions.items())], 32)


@dataclass(frozen=True, slots=True)
class Observed:
    """What is seen of the cluster.

    `digest`: of its KIngresses. `classes`: how many are of which gateway's class. `chosen`: the gateway that
    config-network chooses for Routes that do not say. `reports` by gateway. `unready`: KIngresses whose status is
    not Ready. `differences`: requests that the target would decide otherwise. `lone`: KIngresses of the source's
    class that nobody made, whose class is ours to change. `named`: objects of users that name the source's class
    themselves. `leftovers`: objects of the source's gateway for KIngresses of the target's class.
    """

    digest: str = ""
    classes: Mapping[str, int] = field(default_factory=dict)
    chosen: str = ""
    reports: Mapping[str, Report] = field(default_factory=dict)
    unready: frozenset[str] = frozenset()
    differences: tuple[str, ...] = ()
    lone: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


class Step(enum.StrEnum):
    """What to do. WAIT: nothing, it comes by itself. HOLD: nothing, until people do something."""

    WAIT = "wait"
    HOLD = "hold"
    CHOOSE = "choose"
    RECLASS = "reclass"
    ASK = "ask"
    CLOSE = "close"
    REOPEN = "reopen"
    REMOVE = "remove"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Decision:
    """The step and the reason, for people. `stage` is where it stands, in a word or two."""

    step: Step
    reason: str
    stage: str


def decide(known: Migration, seen: Observed) -> Decision:
    """The next step. The same again while nothing changes."""
    if known.phase is Phase.CLOSING:
        return _closing(known, seen)
    return _programming(known, seen) or _switching(known, seen) or _moving(known)


def _programming(known: Migration, seen: Observed) -> Decision | None:
    """Until the target serves all that the source serves, and decides every request as the source does."""
    stage = "programming"
    report = seen.reports.get(known.target)
    if report is None:
        said = f"nothing is heard of a controller of {known.target}: knet install --beside {known.target} has one run"
        return Decision(Step.WAIT, said, stage)
    if not _current(report, known, seen):
        return Decision(
            Step.WAIT, f"the controller of {known.target} has not looked at all KIngresses yet", stage
        )
    source = seen.reports.get(known.source)
    if source is not None and not _current(source, known, seen):
        return Decision(
            Step.WAIT, f"the controller of {known.source} has not looked at all KIngresses yet", stage
        )
    before = seen.unready if source is None else frozenset(source.waiting)
    if missing := sorted(set(report.waiting) - before):
        said = f"{report.ready} of {report.total} are served by {known.target}; not yet: {_some(missing)}"
        return Decision(Step.WAIT, f"{said} ({'; '.join(report.reasons)})" if report.reasons else said, stage)
    if seen.differences and not known.accepted:
        said = f"{known.target} would decide {len(seen.differences)} requests otherwise: {_some(seen.differences)}"
        return Decision(Step.HOLD, f"{said}; change them, or --accept-differences", "differing")
    return None


def _current(report: Report, known: Migration, seen: Observed) -> bool:
    return (report.turn, report.digest) == (known.turn, seen.digest)


def _switching(known: Migration, seen: Observed) -> Decision | None:
    """Until every KIngress is of the target's class, and its controller says so."""
    stage = "switching"
    if seen.chosen != known.target:
        return Decision(Step.CHOOSE, f"{known.target} serves all: new Routes are to choose it", stage)
    if seen.lone:
        return Decision(
            Step.RECLASS, f"{len(seen.lone)} KIngresses that nobody made change their class", stage
        )
    if seen.named:
        said = f"{len(seen.named)} objects name the class of {known.source} themselves: {_some(seen.named)}"
        return Decision(
            Step.HOLD, f"{said}; take the annotation away, or name the class of {known.target}", stage
        )
    if left := seen.classes.get(known.source, 0):
        return Decision(Step.WAIT, f"{left} KIngresses are of the class of {known.source} still", stage)
    expected = frozenset(seen.reports[known.target].waiting)
    if late := sorted(seen.unready - expected):
        return Decision(
            Step.WAIT, f"{len(late)} KIngresses do not say yet who serves them: {_some(late)}", stage
        )
    return None


def _moving(known: Migration) -> Decision:
    """Until people say that nobody comes through the source any longer."""
    if known.outside == known.target:
        return Decision(Step.CLOSE, f"nobody comes through {known.source} any longer", "moving")
    if not known.outside:
        said = (
            f"move DNS or load balancer from {known.source} to {known.target}; then --confirm-traffic-moved"
        )
        return Decision(Step.HOLD, said, "moving")
    return Decision(
        Step.ASK, "the traffic from inside has moved; that from outside is yours to move", "moving"
    )


def _closing(known: Migration, seen: Observed) -> Decision:
    if left := seen.classes.get(known.source, 0):
        return Decision(
            Step.REOPEN, f"{left} KIngresses of the class of {known.source} have come since", "removing"
        )
    if seen.leftovers:
        said = f"{len(seen.leftovers)} objects of {known.source} go: {_some(seen.leftovers)}"
        return Decision(Step.REMOVE, said, "removing")
    return Decision(
        Step.DONE, f"{known.target} serves all KIngresses, and nothing of {known.source} is left", "done"
    )


def served_classes(found: Migration | None, gateway: str) -> frozenset[str]:
    """The gateways whose KIngresses the controller of `gateway` serves besides its own."""
    if found is None or gateway not in (found.source, found.target):
        return frozenset()
    other = found.target if gateway == found.source else found.source
    if found.phase is Phase.CLOSING and gateway == found.source:
        return frozenset()
    return frozenset((other,))


def abandoned(found: Migration | None, gateway: str) -> str:
    """The gateway to whose class KIngresses have gone for good, so that `gateway` takes its own objects away; or ""."""
    if found is not None and found.phase is Phase.CLOSING and gateway == found.source:
        return found.target
    return ""


def with_phase(found: Migration, phase: Phase) -> Migration:
    """The next turn of a migration."""
    return replace(found, phase=phase, turn=found.turn + 1)


def _some(found: Any) -> str:
    given = list(found)
    rest = len(given) - _SHOWN
    return ", ".join(given[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
