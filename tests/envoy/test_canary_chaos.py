"""Aborted, and the controller killed, in the middle of a rollout under load: nothing is lost that the canary's own
program has not failed. All steps: `python -m tests.canary_chaos`.
"""

from __future__ import annotations

import pytest

from canary_chaos.course import ENOUGH, Scene
from parts import parts

pytestmark = pytest.mark.slow


async def test_nothing_is_lost_by_an_abort_or_a_dead_controller(tmp_path, envoy):
    async with parts(tmp_path) as cluster:
        scene = Scene(cluster, rate=60, steps=(10, 50))
        await scene.begin()
        rows = [await scene.aborted(10, "served"), *await scene.killed("decided")]
    assert [(row.what, row.weight) for row in rows] == [
        ("abort", 10),
        *(("kill -9", weight) for weight in (10, 50, 100)),
    ]
    assert all(row.good and not row.lost for row in rows), "\n".join(map(str, rows))
    assert all(row.requests >= ENOUGH for row in rows), "\n".join(map(str, rows))
    assert sum(row.own for row in rows) > 0  # it does fail, and that is told apart
