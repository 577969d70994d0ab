"""Routes become what Knative's controller makes of them, step by step: golden/route, golden/rollout."""

from __future__ import annotations

import json

import pytest

from serving_golden import Replay, comparable
from support import GOLDEN, golden_names, golden_output, needs_golden

ROUTES = golden_names("route/inputs", "*.json")
ROLLOUTS = golden_names("rollout/route/inputs", "*.json")
# the reference cases of rollouts do not say what becomes of these
UNSAID = ("services", "endpoints", "certificates")


def replayed(folder, case):
    return list(Replay(golden_output(f"{folder}/inputs/{case}.json")).steps())


def plain(step, *without):
    return json.loads(json.dumps({k: v for k, v in comparable(step).items() if k not in without}))


def until_panic(got, wanted):
    """The steps beside their references, up to where upstream's Go panics and the route hangs: ours goes on
    (docs/deviations.md), and has more steps then.
    """
    panics = [i for i, reference in enumerate(wanted) if "panic" in reference]
    if not panics:
        assert len(got) == len(wanted)
    return list(zip(got, wanted, strict=False))[: panics[0] if panics else None]


def test_steps_are_compared_up_to_a_panic_of_upstream():
    assert until_panic([1, 2, 3, 4], [{"a": 1}, {"panic": ""}, {}]) == [(1, {"a": 1})]
    assert until_panic([1], [{"a": 1}]) == [(1, {"a": 1})]
    with pytest.raises(AssertionError):
        until_panic([1, 2], [{}])


@needs_golden
@pytest.mark.parametrize("case", ROUTES)
def test_route(case):
    wanted = golden_output(f"route/outputs/{case}.json")
    for step, reference in until_panic(replayed("route", case), wanted):
        assert plain(step) == plain(reference)


@needs_golden
@pytest.mark.parametrize("case", ROLLOUTS)
def test_rollout(case):
    wanted = golden_output(f"rollout/route/outputs/{case}.json")
    for step, reference in until_panic(replayed("rollout/route", case), wanted):
        assert plain(step, *UNSAID) == plain(reference, *UNSAID)


@needs_golden
def test_there_are_reference_cases():
    assert len(ROUTES) > 60, GOLDEN
    assert len(ROLLOUTS) > 10, GOLDEN
