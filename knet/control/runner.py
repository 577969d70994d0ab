"""How a process runs that is there to stay."""

from __future__ import annotations

import asyncio
import gc

YOUNG, MIDDLE, OLD = 10_000, 100, 20
"""Python's own 700, 10, 10 would walk the world of a control plane all the time: what a request makes dies by
counting, and cycles are rare. Watches of the embedded API have their events after 23 ms instead of 61 (p99 of
100,000 events a second, `bench api`)."""


def runner() -> asyncio.Runner:
    """Where to run the main coroutine: uvloop where it is installed, and a cyclic collector that looks seldom."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
