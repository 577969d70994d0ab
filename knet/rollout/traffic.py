"""The traffic block of a canary, written and read: two revisions by name, and the tags that people have set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from knet.serving.shares import Target


def block(
    now: Sequence[Target], stable: str, canary: str, weight: int, tag: str = "", *, ended: bool = False
) -> tuple[Target, ...]:
    """The block that gives `canary` `weight` percent and `stable` the rest; the sum is 100.

    While the rollout goes on the canary stands in it even without a share, with its tag if there is one: so it is
    reachable and can have pods before its first request. Tags of others stay where they are, on the entry of their
    revision, or on one without a share.
    """
    kept = [t for t in now if t.tag and t.tag != tag]
    shares = {stable: 100 - weight, canary: weight} if canary not in ("", stable) else {stable: 100}
    made: list[Target] = []
    for name, percent in shares.items():
        ours = name == canary and not ended
        mark = tag if ours else ""
        if not mark:
            held = next((t for t in kept if t.revision == name), None)
            if held is not None:
                kept.remove(held)
                mark = held.tag
        if percent or mark or ours:
            made.append(Target(name, percent, mark))
    return (*made, *(Target(t.revision, 0, t.tag) for t in kept))


def same(one: Iterable[Target], other: Iterable[Target]) -> bool:
    """Whether two blocks say the same, in whatever order."""
    return _said(one) == _said(other)


def _said(targets: Iterable[Target]) -> list[tuple[str, int, str]]:
    return sorted((t.revision, t.percent, t.tag) for t in targets)


def share(now: Iterable[Target], stable: str, canary: str) -> int | None:
    """The canary's percent; None where somebody else has a share, the latest revision included, or it is not 100."""
    found = {stable: 0, canary: 0}
    for target in now:
        if not target.percent:
            continue
        if target.revision not in found:
            return None
        found[target.revision] += target.percent
    return found[canary] if sum(found.values()) == 100 else None


def holder(now: Sequence[Target], latest_ready: str) -> str:
    """The one revision that has all traffic; "" where there are several."""
    names = {t.revision or latest_ready for t in now if t.percent}
    return names.pop() if len(names) == 1 else ("" if names or now else latest_ready)


def read(entries: Iterable[Mapping[str, Any]] | None) -> tuple[Target, ...]:
    """A block as it stands in an object; without one everything goes to the latest revision."""
    made = tuple(
        Target(str(e.get("revisionName") or ""), int(e.get("percent") or 0), str(e.get("tag") or ""), i)
        for i, e in enumerate(entries or ())
    )
    return made or (Target("", 100),)


def write(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """A block as it stands in an object."""
    made: list[dict[str, Any]] = []
    for target in targets:
        entry: dict[str, Any] = {"latestRevision": False, "percent": target.percent}
        entry |= {"revisionName": target.revision} if target.revision else {"latestRevision": True}
        made.append(entry | ({"tag": target.tag} if target.tag else {}))
    return made
