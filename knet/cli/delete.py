"""`knet delete`: objects out of the embedded cluster, for those without kubectl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from knet.cli import cluster
from knet.cli.apply import kinds, read, resource_of
from knet.cli.get import chosen


@click.command("delete")
@click.argument("kind", required=False)
@click.argument("names", nargs=-1)
@click.option(
    "-f", "--filename", "inputs", multiple=True, metavar="INPUT", help="The objects of a file, or -."
)
@click.option("-n", "--namespace", default="default", show_default=True)
@cluster.STATE
def command(
    kind: str | None, names: tuple[str, ...], inputs: tuple[str, ...], namespace: str, state: Path
) -> None:
    """Delete objects: `knet delete pods web-1`, `knet delete -f app.yaml`."""
    if not inputs and not (kind and names):
        raise click.UsageError("name a kind and objects, or a file with -f")
    bodies = [body for name in inputs for body in read(name)]

    async def work(client: Any) -> None:
        known = await kinds(client)
        targets = [
            (resource_of(known, b), b["metadata"]["name"], b["metadata"].get("namespace", namespace))
            for b in bodies
        ]
        if kind:
            targets += [(chosen(known, kind), name, namespace) for name in names]
        for resource, name, where in targets:
            await client.delete(resource, name, where if resource.namespaced else None)
            click.echo(f"{resource.plural}/{name} deleted")

    cluster.with_client(state, work)
