"""`knet doctor`: what is wrong with an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from knet.cli import remote
from knet.cli.output import coloured, printable

_COLOURS = {"ok": "32", "warning": "33", "error": "31"}


@click.command("doctor")
@remote.choosing
@click.option("-q", "--quiet", is_flag=True, help="Only what is wrong.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(*, kubeconfig: Path | None, context: str | None, quiet: bool, output: str) -> None:
    """Look over knet on a cluster: what is wrong, and the mend of each.

    Kinds, objects, gateway, Deployments, permissions of the components (asked of the API server), the webhook as the
    API server reaches it, settings, KIngresses that nobody serves or a gateway refused, orphans. Nothing is written.

    \b
    Examples:
      knet doctor
      knet doctor -q                  in a script: silent if all is well
      knet doctor -o json | jq '.[] | select(.level == "error")'

    \b
    Exit status: 0 nothing is wrong (warnings aside), 1 something is, 2 could not look.
    """  # noqa: D301
    from knet.text import json

    async def work(client: Any) -> list[Any]:
        from knet.install.doctor import examine

        return await examine(client)

    findings = remote.with_client(kubeconfig, context, work)
    shown = [f for f in findings if not (quiet and f.level == "ok")]
    if output == "json":
        click.echo(json.pretty([f.data() for f in shown]))
    else:
        colour = coloured(sys.stdout)
        for finding in shown:
            click.echo(_line(finding, colour), color=colour)
    raise click.exceptions.Exit(1 if any(f.level == "error" for f in findings) else 0)


def _line(finding: Any, colour: bool) -> str:
    level = f"{finding.level:<8}"
    if colour:
        level = f"\033[{_COLOURS[finding.level]}m{level}\033[0m"
    text = f"{level} {finding.about:<12} {printable(finding.message)}"
    return f"{text}\n{'':22}→ {printable(finding.mend)}" if finding.mend else text
