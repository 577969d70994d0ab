"""Pods that come at once start some at a time, in their order, and nobody is held up for long."""

from __future__ import annotations

import asyncio

from knet.local.pods.starts import Starts


def asking(starts: Starts, uid: str, turns: list[str]) -> bool:
    return starts.enter(uid, lambda: turns.append(uid))


async def test_some_at_a_time_in_their_order():
    starts, turns = Starts(2, 60), []
    assert [asking(starts, uid, turns) for uid in "abcd"] == [True, True, False, False]
    assert asking(starts, "a", turns), "one that has begun goes on"
    assert not asking(starts, "d", turns)
    starts.leave("b")
    assert turns == ["c"]
    assert asking(starts, "c", turns)
    starts.leave("b")
    assert turns == ["c"], "it has left already"
    starts.leave("a")
    assert turns == ["c", "d"]
    starts.end()


async def test_who_goes_while_it_waits_has_no_turn():
    starts, turns = Starts(1, 60), []
    assert [asking(starts, uid, turns) for uid in "abc"] == [True, False, False]
    starts.leave("b")
    starts.leave("a")
    assert turns == ["c"]
    starts.end()


async def test_a_slow_start_holds_nobody_up_for_long():
    starts, turns = Starts(1, 0.05), []
    loop = asyncio.get_running_loop()
    began, told = loop.time(), asyncio.Event()
    assert asking(starts, "slow", turns)
    assert not starts.enter("next", told.set)
    async with asyncio.timeout(30):
        await told.wait()
    assert loop.time() - began >= 0.05
    starts.end()
