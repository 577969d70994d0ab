"""Plans that cannot be followed, windows of time, and the traffic block."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.rollout import traffic
from knet.rollout.plan import BadPlan, Step, checked
from knet.rollout.windows import Window, is_open, minutes
from knet.serving.shares import Target


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "spec.steps"),
        ([Step(101)], "spec.steps[0].weight"),
        ([Step(5), Step(5)], "spec.steps[1].weight"),
        ([Step(50), Step(5)], "spec.steps[1].weight"),
        ([Step(5, pause=-1)], "spec.steps[0].pause"),
    ],
)
def test_plans_that_cannot_be_followed(steps, field):
    with pytest.raises(BadPlan) as found:
        checked(steps)
    assert found.value.field == field


def test_the_last_step_is_everything():
    assert checked([Step(0), Step(10)])[-1] == Step(100, analysis=False)
    assert len(checked([Step(10), Step(100)])) == 2


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def test_windows():
    office = Window(minutes("09:00"), minutes("17:00"), frozenset(range(5)), "Europe/Berlin")
    assert office.open(at("2026-11-27T08:00:00"))  # a Friday; Berlin is an hour ahead
    assert not office.open(at("2026-11-27T07:59:59"))
    assert not office.open(at("2026-11-27T16:00:00"))
    assert not office.open(at("2026-11-28T10:00:00"))
    night = Window(minutes("22:00"), minutes("04:00"), frozenset([4]))
    assert night.open(at("2026-11-27T23:00:00"))
    assert night.open(at("2026-11-28T03:59:00"))
    assert not night.open(at("2026-11-27T03:00:00"))
    assert is_open((), 0)
    assert not is_open((office, night), at("2026-11-29T10:00:00"))
    assert str(office) == "Mon,Tue,Wed,Thu,Fri 09:00-17:00 Europe/Berlin"


@pytest.mark.parametrize("text", ["9", "25:00", "12:60", "a:10", "24:01"])
def test_times_of_day_that_are_none(text):
    with pytest.raises(ValueError, match="is"):
        minutes(text)


NAMES = st.sampled_from(["", "hello-00001", "hello-00002", "hello-00003"])
TARGETS = st.lists(
    st.builds(Target, NAMES, st.integers(0, 100), st.sampled_from(["", "a", "b", "canary"])), max_size=5
)


@given(TARGETS, st.integers(0, 100), st.sampled_from(["", "canary"]))
def test_blocks_are_whole_and_can_be_read_again(now, weight, tag):
    made = traffic.block(now, "hello-00001", "hello-00002", weight, tag)
    assert sum(t.percent for t in made) == 100
    assert traffic.share(made, "hello-00001", "hello-00002") == weight
    assert traffic.read(traffic.write(made)) == tuple(
        Target(t.revision, t.percent, t.tag, i) for i, t in enumerate(made)
    )
    assert {t.tag for t in now if t.tag and t.tag != tag} <= {t.tag for t in made}
    if tag:
        assert [t.revision for t in made if t.tag == tag] == ["hello-00002"]
    assert traffic.same(traffic.block(made, "hello-00001", "hello-00002", weight, tag), made)
    assert "hello-00002" in {t.revision for t in made}
    ended = traffic.block(made, "hello-00001", "hello-00002", 0, tag, ended=True)
    assert tag not in {t.tag for t in ended if t.tag}


def test_shares_of_others_are_seen():
    assert traffic.share([Target("", 100)], "a", "b") is None
    assert traffic.share([Target("a", 90), Target("c", 10)], "a", "b") is None
    assert traffic.share([Target("a", 90), Target("b", 5)], "a", "b") is None
    assert traffic.share([Target("a", 90), Target("b", 10), Target("c", 0, "old")], "a", "b") == 10
    assert traffic.holder([Target("", 100)], "hello-00007") == "hello-00007"
    assert traffic.holder([Target("a", 50), Target("b", 50)], "") == ""
