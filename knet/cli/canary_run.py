"""`knet canary run`: the controller's looks, from a terminal or a job, for one rollout until it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from knet.cli.canary_cluster import Where, canary_of
from knet.cli.canary_view import BAD
from knet.rollout.state import Phase, State

if TYPE_CHECKING:
    from knet.control.canary.driver import Driver

_LATER_S = 1.0
_TOLD_S = 10.0
"""How long the last notifications may take."""


async def run(client: Any, place: Where, service: str, gateway: tuple[str, int] | None) -> int:
    """The exit status: that of `knet canary status`."""
    from knet.control.canary import record
    from knet.control.canary.driver import Driver
    from knet.control.canary.gateway import GatewayStatistics, resolved
    from knet.control.canary.notices import Notices
    from knet.control.canary.prometheus import providers

    notices = Notices()

    def hears(item: Any, now: State) -> None:
        click.echo(f"{now.phase} {now.weight} % {now.reason}: {now.message}")
        notices.tell(record.parsed(item), item["status"], item["status"]["history"][-1:])

    provider = GatewayStatistics(resolved(*gateway)) if gateway else None
    driver = Driver(client, provider, hears, providers=providers())
    try:
        status = await _until_it_ends(client, place, service, driver)
        await notices.close(_TOLD_S)
    finally:
        await notices.close()
    return status


async def _until_it_ends(client: Any, place: Where, service: str, driver: Driver) -> int:
    from knet.kube.errors import Conflict
    from knet.rollout import state as states

    while True:
        item = await canary_of(client, service, place.namespace)
        try:
            wait = await driver.look(item)
        except Conflict:  # somebody else was quicker
            wait = _LATER_S
        now = states.load(item.get("status") or {})
        if now is not None and ((now.ended and now.settled) or now.phase in (Phase.STOPPED, Phase.HELD)):
            return int(str(now.phase) in BAD)
        await asyncio.sleep(min(wait or _LATER_S, _LATER_S))
