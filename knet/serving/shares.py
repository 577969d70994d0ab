"""Who gets how much: the arithmetic of a traffic block.

Pure: targets and wishes in, targets out. `knet traffic set` applies it to files; the rules are in
`docs/ci.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

LATEST, PREVIOUS, STABLE = "@latest", "@prev", "@stable"
ALIASES = (LATEST, PREVIOUS, STABLE)


class Refused(ValueError):
    """A wish that cannot be met: `message` says why, `hint` what to do, `index` at which target."""

    def __init__(self, message: str, hint: str, index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.index = index


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of a traffic block. `revision` is "" for the latest; `index` None: not written yet."""

    revision: str
    percent: int = 0
    tag: str = ""
    index: int | None = None

    @property
    def name(self) -> str:
        return self.revision or LATEST


def set_shares(targets: Sequence[Target], wishes: Mapping[str, int]) -> tuple[Target, ...]:
    """The targets with the percents of `wishes` (by revision or alias); the others share the rest.

    The rest goes to the other targets in proportion to what they have; if they have nothing, to the
    only one there is. Rounding is by largest remainder, so that the sum is 100. Raises Refused.
    """
    for name, percent in wishes.items():
        if not 0 <= percent <= 100:
            raise Refused(f"{name}={percent} is not a percentage", "percents are whole numbers from 0 to 100")
    resolved = _resolved(targets, wishes)
    rest = 100 - sum(resolved.values())
    if rest < 0:
        raise Refused(f"the percents add up to {100 - rest}", "let them add up to 100 or less")
    made = list(targets)
    for name, percent in resolved.items():
        _put(made, name, percent)
    others = [i for i, t in enumerate(made) if t.name not in resolved]
    for i, percent in zip(others, _rest(rest, [made[i] for i in others]), strict=True):
        made[i] = replace(made[i], percent=percent)
    return tuple(made)


def set_tags(targets: Sequence[Target], tags: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets with each tag on the revision (or alias) it is given to, and nowhere else.

    A target that was there for its tag alone goes with it. Raises Refused.
    """
    made = list(targets)
    for tag, wanted in tags.items():
        name = resolve(wanted, targets)
        if any(t.tag == tag and t.name == name for t in made):
            continue
        made = [replace(t, tag="") if t.tag == tag else t for t in made if t.tag != tag or t.percent]
        free = next((i for i, t in enumerate(made) if t.name == name and not t.tag), None)
        if free is None:
            made.append(Target(_revision(name), 0, tag))
        else:
            made[free] = replace(made[free], tag=tag)
    return tuple(made)


def resolve(name: str, targets: Sequence[Target]) -> str:
    """The revision an alias stands for (`@latest` stays); any other name as it is. Raises Refused.

    `@stable` has the largest share now (the first, if several have); `@prev` is the newest revision
    written by name, not counting the newest of all where no target says `latestRevision`.
    """
    if name == STABLE:
        if not any(t.percent for t in targets):
            raise Refused("@stable: no target has a share", "name the revision")
        totals = _totals(targets)
        return max(totals, key=lambda n: totals[n])
    if name == PREVIOUS:
        named = sorted({t.revision for t in targets if t.revision}, key=_age)
        if all(t.revision for t in targets):
            named = named[:-1]
        if not named:
            raise Refused("@prev: the traffic block names no earlier revision", "name the revision")
        return named[-1]
    if name.startswith("@") and name != LATEST:
        raise Refused(f"{name} is no alias", f"there are {', '.join(ALIASES)}")
    return name


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in proportion to `weights`, in whole numbers, by largest remainder; ties to the first."""
    whole = sum(weights)
    floors = [total * w // whole for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(floors)]:
        floors[i] += 1
    return floors


def _resolved(targets: Sequence[Target], wishes: Mapping[str, int]) -> dict[str, int]:
    resolved: dict[str, int] = {}
    for wish, percent in wishes.items():
        name = resolve(wish, targets)
        if name in resolved:
            raise Refused(f"{name} is given a share twice", "an alias and a name may mean the same revision")
        resolved[name] = percent
    return resolved


def _rest(rest: int, others: Sequence[Target]) -> list[int]:
    having = [t.percent for t in others]
    if any(having):
        return spread(rest, having)
    if rest == 0:
        return having
    if len(others) == 1:
        return [rest]
    names = ", ".join(t.name for t in others)
    why = f"none of {names} has a share to go by" if others else "there is no other target"
    raise Refused(f"{rest} percent are left over, and {why}", "say with --to who gets them")


def _put(made: list[Target], name: str, percent: int) -> None:
    """Gives a revision its share: to its largest target, none to its others, or to a new one."""
    mine = [i for i, t in enumerate(made) if t.name == name]
    if not mine:
        made.append(Target(_revision(name), percent))
        return
    largest = max(mine, key=lambda i: made[i].percent)
    for i in mine:
        made[i] = replace(made[i], percent=percent if i == largest else 0)


def _revision(name: str) -> str:
    return "" if name == LATEST else name


def _totals(targets: Sequence[Target]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for target in targets:
        totals[target.name] = totals.get(target.name, 0) + target.percent
    return totals


def _age(revision: str) -> tuple[int, str]:
    """Sorts `hello-00009` before `hello-00010`, `v9` before `v10`."""
    number = re.search(r"(\d+)\Z", revision)
    return int(number[1]) if number else -1, revision
