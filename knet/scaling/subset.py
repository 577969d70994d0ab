"""Which activators a revision's traffic goes through, and which bucket it is scaled in: consistent choice.

Fact 32 of shared/facts/serving.md: every process comes to the same choice from the same names, and one that
comes or goes changes few choices.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable

_START, _STEP = b"start-angle-salt", b"step-angle-salt"
_UNIVERSE = 2048
_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 2**64 - 1


def fnv(data: bytes, state: int = _OFFSET) -> int:
    """FNV-1a of 64 bits; `state` goes on from a hash of what comes before."""
    for byte in data:
        state = (state ^ byte) * _PRIME & _MASK
    return state


def choose(names: Iterable[str], n: int, target: str) -> frozenset[str]:
    """`n` of the names for a target; all of them if there are not more."""
    among = frozenset(names)
    if n >= len(among):
        return among
    size = _universe(len(among))
    what = target.encode()
    angle, step = fnv(what + _START) % size, fnv(what + _STEP) % size
    held = _slots(sorted(among), what, size)
    slots = sorted(held)
    chosen: set[int] = set()
    while len(chosen) < n:
        at = bisect.bisect_left(slots, angle) % len(slots)
        while at in chosen:
            at = (at + 1) % len(slots)
        chosen.add(at)
        angle = (angle + step) % size
    return frozenset(held[slots[at]] for at in chosen)


def owner(names: Iterable[str], target: str) -> str:
    """The one of the names that a target belongs to. There must be one."""
    (found,) = choose(names, 1, target)
    return found


def _universe(names: int) -> int:
    """Slots on the circle. Upstream has always 2048, and never ends with more names than that."""
    size = _UNIVERSE
    while size < names:
        size *= 2
    return size


def _slots(names: list[str], target: bytes, size: int) -> dict[int, str]:
    """A slot of its own for each name."""
    held: dict[int, str] = {}
    for name in names:
        found = fnv(name.encode() + target)
        state = found
        while found % size in held:  # the hash is the salt of the next try
            state = fnv(b"%x" % found, state)
            found = state
        held[found % size] = name
    return held
