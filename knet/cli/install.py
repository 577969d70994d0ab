"""`knet install`: knet on a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import remote
from knet.cli.installing import values_of, values_options
from knet.errors import KnetError


@click.command("install")
@values_options
@remote.choosing
@click.option(
    "--dry-run",
    type=click.Choice(("client", "server")),
    help="client: print what would be applied; server: have the cluster judge it. Nothing is written.",
)
@click.option("--timeout", default=300.0, show_default=True, help="Seconds until it has to be ready.")
@click.option("--no-wait", is_flag=True, help="Return when everything is applied.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(
    *,
    kubeconfig: Path | None,
    context: str | None,
    dry_run: str | None,
    timeout: float,
    no_wait: bool,
    output: str,
    **given: Any,
) -> None:
    """Install knet on a cluster, or upgrade it in place.

    Applied server-side as the field manager `knet`: a second run writes nothing, what an older version had and this
    one has not is deleted, and keys that somebody changed in Knative's ConfigMaps stay theirs.

    \b
    Examples:
      knet install --gateway kourier --domain apps.example.com
      knet install --gateway istio --ha --values values.yaml
      knet install --gateway contour --mode ingress-only              beside an upstream Knative Serving
      knet install --gateway kourier --mode ingress-only --replace net-kourier
      knet install --gateway kourier --dry-run=server

    \b
    Exit status: 0 installed, 2 could not be, or is not ready in time (it may be run again).
    """  # noqa: D301
    values = values_of(given)
    if dry_run == "client":
        from knet.install.manifests import text

        click.echo(text(values), nl=False)
        return

    async def work(client: Any) -> Any:
        from knet.install.run import install

        patience = 0.0 if no_wait else timeout
        try:
            return await install(client, values, voice(), wait=patience, rehearse=dry_run == "server")
        except ValueError as error:
            hint = "delete that ConfigMap: everything is applied anew, nothing is pruned"
            raise KnetError(checks.UNREADABLE(str(error), hint=hint)) from error

    report = remote.with_client(kubeconfig, context, work)
    tell(report, output, rehearsed=dry_run is not None)


def voice() -> Any:
    """Says on stderr what happens."""
    from knet.install.run import Voice

    told: dict[Any, bool] = {}

    def step(word: str, ref: Any) -> None:
        if not word.startswith("unchanged"):
            click.echo(f"{ref}: {word}", err=True)

    def waits(states: Mapping[Any, bool]) -> None:
        for key, good in states.items():
            if told.get(key) != good:
                told[key] = good
                click.echo(f"Deployment {'/'.join(key)}: {'ready' if good else 'waiting'}", err=True)

    return Voice(step, waits, lambda words: click.echo(words, err=True))


def tell(report: Any, output: str, *, rehearsed: bool = False) -> None:
    """What was done, in the end."""
    from knet.text import json

    if output == "json":
        click.echo(json.pretty(report.data()))
        return
    for ref, key in report.kept:
        click.echo(f"{ref}: {key} stays as somebody set it", err=True)
    counts = ", ".join(f"{len(refs)} {word}" for word, refs in report.done.items())
    click.echo(f"knet {'would be ' if rehearsed else ''}installed: {counts}")
