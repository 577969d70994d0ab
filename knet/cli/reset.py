"""`knet reset`: an embedded cluster as if it had never been."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from knet import checks
from knet.cli import cluster
from knet.cli.down import end
from knet.errors import KnetError
from knet.local.state import alone, foreign


@click.command("reset")
@cluster.STATE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(*, state: Path, yes: bool) -> None:
    """End the embedded cluster and delete its state: every object, log and image name.

    A directory that holds anything else is left alone.
    """
    if not state.exists():
        click.echo(f"knet: there is nothing at {state}")
        return
    if found := foreign(state):
        words = f"{state} holds {', '.join(found[:3])}{' …' if len(found) > 3 else ''}, which is not the cluster's"
        raise KnetError(checks.FOREIGN_FILES(words, hint="nothing was deleted"))
    if not yes:
        click.confirm(f"Delete everything in {state}?", abort=True)
    end(state)
    with alone(state):
        shutil.rmtree(state)
    click.echo(f"knet: {state} is gone")
