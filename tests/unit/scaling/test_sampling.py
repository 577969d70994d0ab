"""How many pods are asked, in which order, and what they say of all."""

from __future__ import annotations

from random import Random

import pytest

from knet.scaling.sampling import averaged, order, sample_size
from knet.scaling.stat import Stat


@pytest.mark.parametrize(
    ("pods", "asked"), [(0, 0), (1, 1), (3, 3), (4, 4), (5, 4), (10, 7), (100, 14), (10_000, 16)]
)
def test_sizes(pods, asked):
    assert sample_size(pods) == asked


def test_young_pods_are_asked_last():
    old, young = list(range(20)), list(range(100, 120))
    found = order(old, young, Random(1))
    assert sorted(found[:20]) == old
    assert found[:20] != old
    assert sorted(found[20:]) == young
    assert found[20:] != young, "where there are no others, not always the same are asked"


def test_a_sample_stands_for_all():
    answers = [Stat("a", 1.0, 0.5, 10.0, 5.0, 7.0), Stat("b", 3.0, 0.0, 30.0, 0.0, 9.0)]
    assert averaged(answers, 2, 8) == Stat("service-scraper", 8 * 2.0, 8 * 0.25, 8 * 20.0, 8 * 2.5)
    assert averaged(answers[:1], 2, 2) == Stat("service-scraper", 1.0, 0.5, 10.0, 5.0), (
        "who is silent is idle"
    )
