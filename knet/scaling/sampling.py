"""How many pods of a revision are asked, which, and what their answers say of all (fact 10)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

from knet.scaling.stat import Stat

T = TypeVar("T")

_FEW = 3
_CRITICAL, _LESS = 15.3664, 14.3664
"""A sample of N pods that is right within a fifth of a standard deviation or so, in 19 of 20 cases."""


def sample_size(pods: int) -> int:
    """How many of so many pods are asked."""
    if pods <= _FEW:
        return pods
    return math.ceil(pods * _CRITICAL / (pods + _LESS))


def order(old: Sequence[T], young: Sequence[T], chance: Random) -> list[T]:
    """The order in which pods are asked, until enough have answered: young ones, whose windows are not full, last."""
    return [*chance.sample(old, len(old)), *chance.sample(young, len(young))]


def averaged(answers: Iterable[Stat], asked: int, pods: int, name: str = "service-scraper") -> Stat:
    """What `asked` pods say of all; one that did not answer has nothing to do."""
    sums = [0.0] * 4
    for stat in answers:
        for i, value in enumerate(
            (stat.concurrency, stat.proxied_concurrency, stat.requests, stat.proxied_requests)
        ):
            sums[i] += value
    return Stat(name, *(value / asked * pods for value in sums))
