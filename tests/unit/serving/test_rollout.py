"""Gradual rollouts: from any state, steps end at the goal and never lose a percent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.serving import rollout_json
from knet.serving.rollout import (
    SECOND,
    ConfigurationRollout,
    RevisionShare,
    Rollout,
    StepParams,
    observe_ready,
    step,
)

START = 950_284_800 * SECOND


def goal(percent, revision="c-9"):
    return Rollout((ConfigurationRollout("c", percent, (RevisionShare(revision, percent),)),))


states = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(
    lambda shares: Rollout(
        (
            ConfigurationRollout(
                "c", sum(shares), tuple(RevisionShare(f"c-{i}", p) for i, p in enumerate(shares))
            ),
        )
    )
)


@given(states, st.integers(2, 100), st.integers(1, 600), st.integers(0, 30))
def test_every_rollout_arrives(state, percent, duration, delay):
    wanted = goal(percent)
    now = START
    current, again = step(wanted, state, now)
    assert again == 0
    now += delay * SECOND
    current = observe_ready(current, now, duration)
    for _ in range(200):
        current, again = step(wanted, current, now)
        (item,) = current.configurations
        assert sum(r.percent for r in item.revisions) == percent
        assert all(r.percent > 0 for r in item.revisions)
        assert current.valid
        if not again:
            break
        assert again > now
        now = again
    assert current == wanted
    assert now - START <= (2 * duration + 2 * delay + 100) * SECOND


@given(states)
def test_the_annotation_keeps_a_state(state):
    assert rollout_json.load(rollout_json.dump(state)) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"configurations":7}',
        '{"configurations":[{"percent":"x"}]}',
        '{"configurations":[{"configurationName":"c","percent":101}]}',
        '{"configurations":[{"configurationName":"c","percent":50,"revisions":[]}]}',
    ],
)
def test_what_is_no_state_is_forgotten(text):
    assert rollout_json.load(text) is None


def one(*revisions, percent, **params):
    shares = tuple(RevisionShare(name, share) for name, share in revisions)
    return Rollout((ConfigurationRollout("c", percent, shares, params=StepParams(**params)),))


def test_a_step_of_no_size_moves_nothing_and_takes_no_revision_away():
    state = one(("c-1", 0), ("c-2", 99), ("c-9", 1), percent=100, start=1, next=2, duration=3)
    assert step(goal(100), state, START) == (state, 2)


def test_a_step_that_ends_even_leaves_what_had_nothing():
    state = one(("c-1", 90), ("c-2", 0), ("c-3", 9), ("c-9", 1), percent=100, next=2, duration=3, size=9)
    made, again = step(goal(100), state, START)
    shares = [(r.revision, r.percent) for r in made.configurations[0].revisions]
    assert shares == [("c-1", 90), ("c-2", 0), ("c-9", 10)]
    assert again == START + 3


def test_a_configuration_without_share_goes_unless_it_stands_beyond_all_known():
    share = (RevisionShare("r", 0),)
    wanted = Rollout(
        (
            ConfigurationRollout("a", 0, share),
            ConfigurationRollout("c", 100, (RevisionShare("c-9", 100),)),
            ConfigurationRollout("d", 0, share),
        )
    )
    made, _ = step(wanted, goal(100), START)
    assert [c.configuration for c in made.configurations] == ["c", "d"]
