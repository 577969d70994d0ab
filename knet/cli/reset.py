"""`knet reset`: an embedded cluster as if it had never been."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from knet import checks
from knet.cli import cluster
from knet.cli.down import end
from knet.errors import KnetError

_OURS = ("api.db", "lock")


@click.command("reset")
@cluster.STATE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(*, state: Path, yes: bool) -> None:
    """End the embedded cluster and delete its state: every object, log and image name."""
    if not state.exists():
        click.echo(f"knet: there is nothing at {state}")
        return
    if not all((state / name).exists() for name in _OURS):
        raise KnetError(checks.NOT_RUNNING(f"{state} is no cluster's directory", hint="nothing was deleted"))
    if not yes:
        click.confirm(f"Delete everything in {state}?", abort=True)
    try:
        end(state)
    except KnetError as error:
        if error.diagnostics[0].code != checks.NOT_RUNNING.code:
            raise
    shutil.rmtree(state)
    click.echo(f"knet: {state} is gone")
