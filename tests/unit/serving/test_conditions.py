"""How conditions add up to Ready: Knative's rules, those of severity and of times included."""

from __future__ import annotations

import pytest

from knet.model.meta import ObjectMeta
from knet.serving.conditions import Conditions
from knet.serving.living import begin
from unit.serving.revisions import conditions, said

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T03:04:05Z"


def made(before=(), now=NOW):
    found = Conditions(("A", "B"), before, now)
    found.initialize()
    return found


def status(held):
    return {"conditions": held.dump()}


def test_what_is_not_known_is_unknown_and_true_where_all_was_well():
    assert {c["type"]: c["status"] for c in made().dump()} == dict.fromkeys(("A", "B", "Ready"), "Unknown")
    assert said(status(made(conditions(Ready="True"))), "A") == ("True", "", "")
    assert said(status(made(conditions(Ready="False"))), "A") == ("Unknown", "", "")


def test_ready_is_true_once_all_are():
    held = made()
    held.true("A")
    assert said(status(held)) == ("Unknown", "", "")
    held.true("B", "Fine", "by all means")
    assert said(status(held), "B") == ("True", "Fine", "by all means")
    assert said(status(held)) == ("True", "", "")


def test_a_failure_beats_what_is_unknown_and_the_last_to_change_speaks():
    held = made()
    held.false("A", "One", "1")
    held.unknown("B", "Two", "2")
    assert said(status(held)) == ("False", "One", "1")
    held.false("B", "Three", "3")
    assert said(status(held)) == ("False", "Three", "3")
    held.true("B")
    assert said(status(held)) == ("False", "One", "1")
    held.true("A")
    held.unknown("B", "Four", "4")
    assert said(status(held)) == ("Unknown", "Four", "4")


@pytest.mark.parametrize("ready", ["True", ("Unknown", "Why", "so"), ("False", "Why", "so")])
def test_what_nothing_hangs_on_leaves_ready_as_it_is(ready):
    held = made(conditions(Ready=ready, A="True" if ready == "True" else ready, B="True"))
    before = said(status(held))
    held.unknown("Extra", "Odd", "?")
    held.false("Extra", "Bad", "!")
    assert said(status(held)) == before
    extra = next(c for c in held.dump() if c["type"] == "Extra")
    assert extra["severity"] == "Info"
    assert all("severity" not in c for c in held.dump() if c["type"] != "Extra")


def test_a_time_changes_only_with_what_is_said():
    before = [{"type": kind, "status": "True", "lastTransitionTime": THEN} for kind in ("A", "B", "Ready")]
    held = made(before)
    held.unknown("A", "Busy", "")
    held.true("A")
    assert {c["lastTransitionTime"] for c in held.dump()} == {THEN}
    held.false("B", "Bad", "")
    assert {c["type"]: c["lastTransitionTime"] for c in held.dump()} == {"A": THEN, "B": NOW, "Ready": NOW}


def test_of_a_new_generation_nothing_is_known_until_it_was_looked_at():
    meta = ObjectMeta(name="x", generation=2)
    old = {
        "observedGeneration": 1,
        "conditions": conditions(Ready="True", A="True", B=("Unknown", "Waits", "")),
    }
    held = begin(("A", "B"), meta, old, NOW)
    words = ("Unknown", "NewObservedGenFailure", "unsuccessfully observed a new generation")
    assert said(status(held)) == words
    held.unknown("B", "Waits", "")
    assert said(status(held)) == ("Unknown", "Waits", "")
    seen = begin(("A", "B"), meta, {**old, "observedGeneration": 2}, NOW)
    assert said(status(seen)) == ("True", "", "")
    failed = {**old, "conditions": conditions(Ready=("False", "Bad", ""), A=("False", "Bad", ""), B="True")}
    assert said(status(begin(("A", "B"), meta, failed, NOW)))[0] == "False"
