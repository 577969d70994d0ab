"""A few rounds of `python -m tests.crash`, which runs a hundred."""

from __future__ import annotations

import pytest

from crash.ledger import Held, Ledger
from crash.rounds import Crash


@pytest.mark.envoy
async def test_kill_9_loses_nothing_leaves_nothing_and_converges(tmp_path, envoy):
    crash = Crash(tmp_path, 4)
    figures = await crash.run(4)
    assert figures.lost == []
    assert figures.left == []
    assert figures.rounds == 4
    assert crash.ledger.acknowledged.total() > 50
    assert figures.killed >= 4 * 4  # Envoy, the reaper and pods, each time


def test_the_ledger_takes_what_had_no_answer_either_way_and_nothing_else():
    key, other = ("Secret", "a"), ("Secret", "b")

    def held(value, *pending):
        return Ledger({key: Held(value, list(pending))}, version=5)

    assert held("1", "2").lost({key: "1"}, 5) == held("1", "2").lost({key: "2"}, 5) == []
    assert held("1", None).lost({}, 5) == []
    assert len(held("1", "2").lost({}, 5)) == 1
    assert len(held("1").lost({key: "2"}, 5)) == 1
    assert len(held(None).lost({key: "1"}, 5)) == 1
    assert len(held("1").lost({key: "1", other: "1"}, 5)) == 1
    assert len(held("1").lost({key: "1"}, 4)) == 1
