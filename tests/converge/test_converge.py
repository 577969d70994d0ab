"""Controllers that are killed and whose connection fails bring about what a clean run does."""

from __future__ import annotations

import pytest

from converge.course import bare, differences, outcome


@pytest.mark.slow
async def test_after_faults_and_kills_the_state_is_that_of_a_clean_run():
    clean, _ = await outcome(seed=1, rate=0.0, kills=0.0)
    assert len(clean) > 40
    assert any(name.startswith("DomainMapping") for name in clean)
    faulty, kills = await outcome(seed=2, rate=0.1, kills=0.4)
    assert kills > 2
    assert differences(clean, faulty) == []


def test_what_is_compared():
    status = {"conditions": [{"lastTransitionTime": "x", "type": "T"}]}
    item = {"metadata": {"name": "a", "uid": "1", "ownerReferences": [{"uid": "2"}]}, "status": status}
    made = bare(item, {"1": "a"})
    assert made["metadata"] == {"name": "a", "uid": "a", "ownerReferences": [{"uid": "nobody's"}]}
    assert made["status"] == {"conditions": [{"type": "T"}]}
    assert differences({"a": item, "b": {}}, {"a": {}, "c": {}}) == [
        f"a: {item} became {{}}",
        "only after faults: c",
        "only in the clean run: b",
    ]
