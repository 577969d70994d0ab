"""Lets a gateway end without a lost request: it goes on serving while others forget it, then drains."""

from __future__ import annotations

import asyncio
import contextlib

from knet.envoy import process_admin
from knet.envoy.bootstrap import Address

_POLL = 0.1


async def drain(admin: Address, settle: float, seconds: float) -> None:
    """Answers health checks with failure, serves `settle` seconds more, closes listeners gracefully, and returns once
    no request is under way, or after `seconds`. Raises OSError where no Envoy answers.
    """
    await process_admin.request(admin, "/healthcheck/fail", "POST")
    await asyncio.sleep(settle)  # load balancers and endpoints take their time to forget an address
    await process_admin.request(admin, "/drain_listeners?graceful&skip_exit", "POST")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await _active(admin):  # noqa: ASYNC110 - Envoy tells nobody: one has to ask
                await asyncio.sleep(_POLL)


async def _active(admin: Address) -> int:
    _, text = await process_admin.request(admin, "/stats?filter=downstream_rq_active$")
    counts = [line for line in text.splitlines() if ".admin." not in line]
    return sum(int(line.rpartition(":")[2]) for line in counts)
