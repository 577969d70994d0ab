"""The arithmetic of a traffic block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.serving.shares import Refused, Target, resolve, set_shares, set_tags, spread

TWO = (Target("a-1", 90, index=0), Target("a-2", 10, "canary", index=1))


def percents(targets):
    return {t.name: t.percent for t in targets}


@pytest.mark.parametrize(
    ("wishes", "want"),
    [
        ({"a-2": 25}, {"a-1": 75, "a-2": 25}),
        ({"a-2": 100}, {"a-1": 0, "a-2": 100}),
        ({"a-3": 5}, {"a-1": 86, "a-2": 9, "a-3": 5}),
        ({"a-1": 30, "a-2": 70}, {"a-1": 30, "a-2": 70}),
        ({"@latest": 10}, {"a-1": 81, "a-2": 9, "@latest": 10}),
        ({"@stable": 50}, {"a-1": 50, "a-2": 50}),
        ({"@prev": 60}, {"a-1": 60, "a-2": 40}),
    ],
)
def test_the_others_share_the_rest_as_they_do_now(wishes, want):
    assert percents(set_shares(TWO, wishes)) == want


@pytest.mark.parametrize(
    ("targets", "wishes", "why"),
    [
        (TWO, {"a-1": 60, "a-2": 60}, "add up to 120"),
        (TWO, {"a-1": 101}, "not a percentage"),
        (TWO, {"a-1": 10, "a-2": 10}, "80 percent are left over"),
        (TWO, {"@newest": 10}, "no alias"),
        (TWO, {"a-1": 10, "@stable": 10}, "given a share twice"),
        ((Target("", 100),), {"@prev": 10}, "names no earlier revision"),
        ((Target("a-1"), Target("a-2"), Target("a-3", 100)), {"a-3": 50}, "none of a-1, a-2 has a share"),
    ],
)
def test_wishes_that_cannot_be_met_say_why(targets, wishes, why):
    with pytest.raises(Refused, match=why):
        set_shares(targets, wishes)


def test_a_revision_written_twice_gets_its_share_once():
    targets = (Target("a-1", 90), Target("a-2", 0, "test"), Target("a-2", 10))
    assert [t.percent for t in set_shares(targets, {"a-2": 30})] == [70, 0, 30]


def test_previous_goes_by_number_not_by_letter():
    targets = (Target("a-9", 50), Target("a-10", 50))
    assert resolve("@prev", targets) == "a-9"
    assert resolve("@prev", (*targets, Target("", 0))) == "a-10"


def test_a_tag_moves_and_takes_along_what_stood_there_for_it_alone():
    targets = (Target("a-1", 100, "", 0), Target("a-2", 0, "canary", 1))
    assert set_tags(targets, {"canary": "a-3"}) == (targets[0], Target("a-3", 0, "canary"))
    assert set_tags(targets, {"canary": "a-2"}) == targets
    assert [t.tag for t in set_tags(TWO, {"canary": "a-1"})] == ["canary", ""]


@given(st.integers(0, 100), st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any))
def test_spread_adds_up_and_is_never_a_whole_point_off(total, weights):
    parts = spread(total, weights)
    assert sum(parts) == total
    assert all(abs(p - total * w / sum(weights)) < 1 for p, w in zip(parts, weights, strict=True))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any), st.integers(0, 100))
def test_whatever_is_wished_the_sum_is_a_hundred(weights, wish):
    whole = spread(100, weights)
    targets = [Target(f"a-{i}", p) for i, p in enumerate(whole)]
    if wish < 100 and whole[0] == 100:
        targets = targets[:2]
    made = set_shares(targets, {"a-0": wish})
    assert sum(t.percent for t in made) == 100
    assert made[0].percent == wish
