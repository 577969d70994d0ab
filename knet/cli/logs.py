"""`knet logs`: what a pod said."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click

from knet.cli import cluster


@click.command("logs")
@click.argument("pod")
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-c", "--container", default="", help="Which container, if there are several.")
@click.option("--tail", type=int, help="Only so many lines from the end.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the present one.")
@cluster.STATE
def command(
    *, pod: str, namespace: str, container: str, tail: int | None, previous: bool, state: Path
) -> None:
    """Print the log of a pod's container."""
    query = {"container": container, "tailLines": tail, "previous": "true" if previous else None}
    asked = urlencode({k: v for k, v in query.items() if v})
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{asked}"
    click.echo(cluster.with_client(state, lambda client: client.raw(path)), nl=False)
