"""Single steps of gradual rollouts: golden/rollout/steps."""

from __future__ import annotations

import pytest

from knet.serving import rollout_json
from knet.serving.rollout import observe_ready, step
from support import golden_names, golden_output, needs_golden


def answer(case):
    goal = rollout_json.from_data(case["cur"])
    state = rollout_json.from_data(case["prev"])
    out = {"prev_valid": state.valid}
    if case["observe_ready"]:
        state = observe_ready(state, case["now"], case["duration_s"])
        out["observed"] = rollout_json.to_data(state)
    made, again = step(goal, state, case["now"])
    return {**out, "result": rollout_json.to_data(made), "next": again, "done": made.done}, made


@needs_golden
@pytest.mark.parametrize("name", golden_names("rollout/steps/inputs", "*.json"))
def test_steps(name):
    cases = golden_output(f"rollout/steps/inputs/{name}.json")
    wanted = golden_output(f"rollout/steps/outputs/{name}.json")
    for case, reference in zip(cases, wanted, strict=True):
        got, _ = answer(case)
        if "panic" not in reference:
            assert got == reference


@needs_golden
def test_where_upstream_panics_the_revisions_that_remain_share_the_goal():
    """Fact 36: upstream indexes the list of before; ours has the sum that was asked for, in order."""
    cases = golden_output("rollout/steps/inputs/cases.json")
    wanted = golden_output("rollout/steps/outputs/cases.json")
    panics = [c for c, reference in zip(cases, wanted, strict=True) if "panic" in reference]
    assert len(panics) > 40
    for case in panics:
        got, made = answer(case)
        goals = {(c.get("tag", ""), c["configurationName"]): c for c in case["cur"]["configurations"]}
        for item in made.configurations:
            goal = goals[item.tag, item.configuration]
            assert item.percent == goal["percent"]
            if got["prev_valid"]:
                assert sum(r.percent for r in item.revisions) == goal["percent"]
                assert item.revisions[-1].revision == goal["revisions"][0]["revisionName"]
