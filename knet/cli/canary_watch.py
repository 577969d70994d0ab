"""`knet canary status`: once, or followed until it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from knet.cli import canary_view
from knet.cli.canary_cluster import Where, canaries, canary_of
from knet.text import json

_EVERY_S = 0.5
_ENDS = ("Succeeded", "RolledBack", "Held", "Stopped")


def show(place: Where, service: str | None, *, watch: bool, as_json: bool) -> int:
    """Prints it; the exit status."""
    if service is None:
        if watch:
            raise click.UsageError("name a Service to watch")
        return _list(place, as_json=as_json)
    if watch:
        return place.run(lambda client: _follow(client, place, service, as_json=as_json))
    told = place.run(lambda client: _told(client, place, service))
    if as_json:
        click.echo(json.pretty(told))
    else:
        _print(told)
    return status_of(told)


def status_of(told: canary_view.Data) -> int:
    return int(told["phase"] in canary_view.BAD)


def _list(place: Where, *, as_json: bool) -> int:
    from knet.cli.get import columns

    found = place.run(lambda client: canaries(client, place.namespace))
    told = [canary_view.data(item) for item in found]
    if as_json:
        click.echo(json.pretty(told))
    elif told:
        head = ["NAME", "PHASE", "WEIGHT", "STABLE", "CANARY", "REASON"]
        click.echo(columns([head, *map(canary_view.row, told)]))
    else:
        click.echo("no canary is there", err=True)
    return max(map(status_of, told), default=0)


async def _told(client: Any, place: Where, service: str) -> canary_view.Data:
    from knet.control.canary import record

    item = await canary_of(client, service, place.namespace)
    evidence = await record.read(client, item)
    return canary_view.data(item, evidence.samples)


async def _follow(client: Any, place: Where, service: str, *, as_json: bool) -> int:
    """A live view on a terminal; elsewhere, or as JSON, a line for everything new."""
    from rich.console import Console

    console = Console()
    if as_json or not console.is_terminal:
        return await _lines(client, place, service, as_json=as_json)
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            told = await _told(client, place, service)
            live.update(_view(told), refresh=True)
            if told["phase"] in _ENDS:
                return status_of(told)
            await asyncio.sleep(_EVERY_S)


async def _lines(client: Any, place: Where, service: str, *, as_json: bool) -> int:
    last: Any = None
    while True:
        told = await _told(client, place, service)
        now = told["phase"], told["weight"], told["reason"]
        if now != last:
            last = now
            words = f"{told['phase']} {told['weight']} % {told['reason']}: {told['message']}"
            click.echo(json.dumps(told).decode() if as_json else words)
        if told["phase"] in _ENDS:
            return status_of(told)
        await asyncio.sleep(_EVERY_S)


def _view(told: canary_view.Data) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    made = [Text(text, style=style) for style, text in canary_view.lines(told)]
    past = [
        Text(f"{h['time'][11:19]}  {h['weight']:>3} %  {h['reason']}: {h['message']}", style="dim")
        for h in told["history"][-6:]
    ]
    return Panel(Group(*made, Text(""), *past), title="canary", expand=False)


def _print(told: canary_view.Data) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for style, text in canary_view.lines(told):
        console.print(Text(text, style=style))
