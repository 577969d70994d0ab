"""The choice of activators and buckets: every reference case, and what the reference cannot do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.scaling.subset import choose, fnv, owner
from support import golden_pairs, needs_golden

CASES = golden_pairs("kpa/subset")


@needs_golden
@pytest.mark.parametrize("index", range(len(CASES)))
def test_choice(index):
    case, expected = CASES[index]
    among = case["from"] or ()
    assert sorted(choose(among, case["n"], case["target"])) == sorted(expected["selected"] or ())
    assert owner(among, case["target"]) == expected["owner"]


def test_the_hash():
    # the reference values of FNV-1a (isthe.com)
    assert fnv(b"") == 0xCBF29CE484222325
    assert fnv(b"foobar") == 0x85944171F73967E8


names = st.sets(st.from_regex(r"10\.\d{1,3}\.\d{1,3}\.\d{1,3}", fullmatch=True), min_size=1, max_size=40)


@given(names, st.integers(0, 50), st.text(max_size=20))
def test_as_many_as_wanted_and_always_the_same(among, n, target):
    chosen = choose(among, n, target)
    assert chosen <= among
    assert len(chosen) == min(n, len(among))
    assert choose(sorted(among, reverse=True), n, target) == chosen


def test_more_names_than_upstream_can_take():
    among = [f"10.0.{i // 250}.{i % 250}" for i in range(3000)]
    assert len(choose(among, 100, "hello-00001")) == 100
