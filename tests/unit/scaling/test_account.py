"""The last decision, step by step, and as people read it."""

from __future__ import annotations

import pytest

from knet.cli.explain_scale import lines
from knet.scaling.account import Outcome, account
from knet.scaling.config import Config
from knet.scaling.fleet import Fleet
from knet.scaling.scaler import Scale
from knet.scaling.spec import PREFIX, PodAutoscaler, make_spec
from knet.scaling.stat import Stat

START_S = 946_684_800


def decided(*concurrency, ready=1, hold=False, reachability="Reachable", **notes):
    said = {PREFIX + name.replace("_", "-"): value for name, value in notes.items()}
    spec = make_spec(PodAutoscaler(said, 0, reachability), Config(), "private")
    fleet: Fleet[str] = Fleet()
    fleet.put("a", spec, ready, START_S * 1000, hold=hold)
    second = START_S
    for second, value in enumerate(concurrency, START_S):
        fleet.record(second, {"a": Stat("p", value)})
    fleet.decide(second * 1000)
    return fleet.standing("a"), second * 1000 + 500


def told(standing, now_ms, outcome=None):
    found = {"namespace": "ns", "revision": "rev", "by": "me", **account(standing, outcome, now_ms)}
    return found, "\n".join(lines(found))


def test_each_step():
    found, text = told(*decided(100, 300, target="10"))
    assert found["decided"] == 0.5
    stable, panic = found["windows"]
    assert stable == {
        "name": "stable", "seconds": 60.0, "average": 200.0, "raw": 29, "at_most": 1000, "at_least": 0,
        "pods": 29, "limited_by": "",
    }  # fmt: skip
    assert panic["raw"] == 29
    assert found["panic"]["on"]
    assert "  panic for 0.5 s (from 200 % of the ready pods on): never below 29" in text
    assert "  concurrency: 7 for each pod, of 10 that it can take" in text


@pytest.mark.parametrize(
    ("notes", "load", "ready", "limit"),
    [
        ({"target": "1"}, 5000, 1, "up-rate"),
        ({}, 1, 10, "down-rate"),
        ({"activation_scale": "5"}, 1, 1, "activation-scale"),
        ({"target": "10"}, 14, 1, ""),
    ],
)
def test_what_limits(notes, load, ready, limit):
    found, text = told(*decided(load, load, ready=ready, **notes))
    assert found["windows"][0]["limited_by"] == limit
    assert (f"  by {limit}" in text) == bool(limit)


def test_why_nothing_was_decided():
    found, text = told(*decided())
    assert found["why_not"] == "nothing was measured within the stable window"
    assert text.startswith("ns/rev: not known how many pods are wanted, 1 ready")
    found, text = told(*decided(0, 0, hold=True))
    assert found["why_not"].startswith(
        "not sent to zero before a whole stable window has been seen (58 s left)"
    )
    assert "  nothing new was decided: not sent to zero" in text


def test_what_came_of_it():
    outcome = Outcome(0, 2, True, 2, "Proxy", 3, Scale(2, apply=True, again_ms=4000))
    found, text = told(
        *decided(30, 30, target="10", scale_down_delay="30s", reachability="Unreachable"), outcome
    )
    assert found["outcome"]["limited_by"] == "max"
    assert text.startswith("ns/rev: 2 pods wanted, 1 ready (decided 0.5 s ago by me)")
    for line in (
        "  goes down only after 30 s",
        "  no route leads to it: it may go down at once",
        "  bounds: min 0, max 2",
        "requests go through 3 activators",
        "  → decided 5, wanted 2 (max), replicas 2",
        "  looked at again after 4 s",
    ):
        assert line in text
