"""`knet uninstall`: knet off a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import remote
from knet.errors import KnetError


@click.command("uninstall")
@remote.choosing
@click.option("--yes", is_flag=True, help="Ask nothing: objects of users go with their kinds.")
@click.option("--keep-crds", is_flag=True, help="The kinds stay, and what users made of them.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds until everything has to be gone.")
@click.option("--no-wait", is_flag=True, help="Return when everything is marked for deletion.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(
    *,
    kubeconfig: Path | None,
    context: str | None,
    yes: bool,
    keep_crds: bool,
    timeout: float,
    no_wait: bool,
    output: str,
) -> None:
    """Take knet off a cluster: everything that `knet install` made goes.

    What it found there and took over stays. A plugin that it replaced runs again before ours ends. Services and
    other objects of users go with their kinds: that is asked about first.

    \b
    Examples:
      knet uninstall                  asks
      knet uninstall --keep-crds      Services and all else of users stay, without being served
      knet uninstall --yes -o json

    \b
    Exit status: 0 gone, 1 not wanted after all, 2 could not be.
    """  # noqa: D301
    from knet.cli.install import voice
    from knet.text import json

    async def work(client: Any) -> list[Any]:
        from knet.install import apply, leaving

        try:
            found = await apply.recorded(client)
        except ValueError as error:
            raise KnetError(checks.UNREADABLE(str(error), hint="knet install writes it anew")) from error
        if found is None:
            raise KnetError(
                checks.NOT_INSTALLED("there is no knet on this cluster: it has no inventory of one")
            )
        if not yes:
            _ask([] if keep_crds else await leaving.held(client, found))
        patience = 0.0 if no_wait else timeout
        try:
            return await leaving.uninstall(client, found, voice(), wait=patience, keep_definitions=keep_crds)
        except TimeoutError:
            hint = "kubectl get namespaces,crds shows what has a finalizer; knet uninstall may be run again"
            raise KnetError(
                checks.NOT_READY(f"not everything is gone after {timeout:.0f} s", hint=hint)
            ) from None

    gone = remote.with_client(kubeconfig, context, work)
    if output == "json":
        click.echo(json.pretty({"deleted": [str(ref) for ref in gone]}))
    else:
        click.echo(f"knet uninstalled: {len(gone)} deleted")


def _ask(held: list[Any]) -> None:
    words = "; ".join(map(str, held))
    if not sys.stdin.isatty():
        if held:
            raise KnetError(
                checks.USER_OBJECTS(
                    f"objects of users would be deleted with their kinds: {words}",
                    hint="--keep-crds keeps them, --yes deletes them",
                )
            )
        return
    if held:
        click.echo(f"These would be deleted with their kinds: {words}", err=True)
    if not click.confirm("Take knet off this cluster?", err=True):
        raise click.exceptions.Exit(1)
