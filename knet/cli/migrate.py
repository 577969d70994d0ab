"""`knet migrate`: from one gateway to another, and back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import remote
from knet.cli.output import printable
from knet.errors import KnetError

GATEWAYS = click.Choice(("istio", "contour", "kourier"))
ACTIONS = click.Choice(("run", "status", "back", "abort"))
PEOPLE = 3
"""The exit status where it is the user's turn."""


@click.command("migrate")
@click.argument("action", type=ACTIONS, default="run")
@click.option("--from", "source", type=GATEWAYS, help="The gateway that carries the traffic now.")
@click.option("--to", "target", type=GATEWAYS, help="The one that is to carry it.")
@click.option("--back", is_flag=True, help="Go back, from wherever it is. `back` and `abort` are the same.")
@click.option(
    "--confirm-traffic-moved",
    is_flag=True,
    help="DNS and load balancers lead to the new gateway: nobody comes through the old one any longer.",
)
@click.option(
    "--accept-differences", is_flag=True, help="Go on though the new gateway decides some requests otherwise."
)
@click.option(
    "--timeout", default=600.0, show_default=True, help="Seconds to wait for the cluster at a time."
)
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
@remote.choosing
def command(
    *,
    action: str,
    source: str | None,
    target: str | None,
    back: bool,
    confirm_traffic_moved: bool,
    accept_differences: bool,
    timeout: float,
    output: str,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Move a cluster from one gateway to another without a lost request; go back at any point.

    Both gateways serve every KIngress until the end. When the new one serves all of them (it is probed) and decides
    every request as the old one does, new Routes choose its class, KIngresses change theirs, and traffic from inside
    of the cluster moves. DNS and load balancers are yours to move: it says from where to where, and waits. Then the
    old gateway's objects go. What is under way stands in ConfigMap knative-serving/knet-migration: killed anywhere,
    `knet migrate` goes on. Both gateways' controllers have to run: knet install --beside (docs/migrate.md).

    \b
    Examples:
      knet migrate --from istio --to kourier
      knet migrate --confirm-traffic-moved       once DNS leads to the new gateway
      knet migrate status
      knet migrate --back

    \b
    Exit status: 0 done, 2 could not be, or not in time (run it again), 3 it is your turn: the last line says what for.
    """  # noqa: D301
    turning = back or action in ("back", "abort")

    async def work(client: Any) -> Any:
        if action == "status":
            return await _status(client)
        await _prepare(client, source, target, turning=turning, accept=accept_differences)
        if confirm_traffic_moved:
            await _confirm(client)
        return await _drive(client, timeout)

    found = remote.with_client(kubeconfig, context, work)
    if action == "status":
        _tell_status(found, output)
        return
    if output == "json":
        from knet.text import json

        click.echo(json.pretty({"stage": found.stage, "step": str(found.step), "reason": found.reason}))
    raise click.exceptions.Exit(0 if found.step == "done" else PEOPLE)


async def _prepare(
    client: Any, source: str | None, target: str | None, *, turning: bool, accept: bool
) -> None:
    """Begins a migration, turns one round, or takes up the one that is under way."""
    from dataclasses import replace

    from knet.install import migrate, migrate_state

    known = await migrate_state.remembered(client)
    if known is None:
        if turning or not (source and target):
            hint = "knet migrate --from GATEWAY --to GATEWAY begins one"
            raise KnetError(checks.NO_MIGRATION("no migration is under way", hint=hint))
        if source == target:
            raise click.UsageError("--from and --to are the same gateway")
        await migrate.begin(client, source, target, accepted=accept)
        return
    state = known.state
    wanted = (source or state.source, target or state.target)
    if not turning and wanted != (state.source, state.target):
        said = f"a migration from {state.source} to {state.target} is under way"
        raise KnetError(
            checks.MIGRATION_REFUSED(said, hint="knet migrate goes on with it, knet migrate --back turns it")
        )
    if turning and not state.back:
        await migrate_state.write(client, known, state.returned())
    elif accept and not state.accepted:
        await migrate_state.write(client, known, replace(state, accepted=True))


async def _confirm(client: Any) -> None:
    from dataclasses import replace

    from knet.install import migrate_state

    known = await migrate_state.remembered(client)
    assert known is not None  # it was begun or taken up just now
    state = known.state
    if state.outside not in ("", state.target):
        said = f"{state.target} does not serve everything yet: the traffic from outside must not move before"
        raise KnetError(checks.MIGRATION_REFUSED(said, hint="knet migrate says when"))
    await migrate_state.write(client, known, replace(state, outside=state.target))


async def _drive(client: Any, patience: float) -> Any:
    from knet.install import migrate

    while True:
        said: list[str] = []

        def say(words: str, said: list[str] = said) -> None:
            said.append(words)
            click.echo(printable(words), err=True)

        try:
            async with asyncio.timeout(patience):
                decision = await migrate.drive(client, say)
        except TimeoutError:
            why = said[-1] if said else "nothing was heard of the cluster"
            hint = "knet migrate goes on where it was; knet migrate --back goes back"
            raise KnetError(checks.NOT_READY(f"after {patience:.0f} s: {why}", hint=hint)) from None
        if decision.stage != "moving":
            return decision
        await _addresses(client)
        if not (
            sys.stdin.isatty()
            and click.confirm("Does nobody come through the old gateway any longer?", err=True)
        ):
            return decision
        await _confirm(client)


async def _addresses(client: Any) -> None:
    from knet.install import migrate_state
    from knet.install.migrate_seen import addresses

    known = await migrate_state.remembered(client)
    if known is not None:
        for word, gateway in (("from", known.state.source), ("to", known.state.target)):
            click.echo(f"{word:<5}{gateway}: {await addresses(client, gateway)}", err=True)


async def _status(client: Any) -> Any:
    from knet.install.migrate import Migrating

    async with Migrating(client) as migrating:
        return await migrating.look()


def _tell_status(found: Any, output: str) -> None:
    from dataclasses import asdict

    from knet.text import json

    if output == "json":
        body: dict[str, Any] = {"underWay": found is not None}
        if found is not None:
            known, seen, decision = found
            body |= {
                "from": known.state.source,
                "to": known.state.target,
                "back": known.state.back,
                "outside": known.state.outside,
                "stage": decision.stage,
                "reason": decision.reason,
                "classes": dict(seen.classes),
                "reports": {gateway: asdict(report) for gateway, report in seen.reports.items()},
            }
        click.echo(json.pretty(body))
        return
    if found is None:
        click.echo("no migration is under way")
        return
    known, seen, decision = found
    way = "back " if known.state.back else ""
    click.echo(f"{way}from {known.state.source} to {known.state.target}: {decision.stage}")
    for gateway in (known.state.source, known.state.target):
        report = seen.reports.get(gateway)
        told = f"serves {report.ready} of {report.total}" if report else "says nothing"
        click.echo(f"  {gateway:<8} {told}, {seen.classes.get(gateway, 0)} KIngresses of its class")
    click.echo(f"  next     {printable(decision.reason)}")
