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
