"""`knet delete`: objects out of the embedded cluster, for those without kubectl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from knet.cli import cluster
from knet.cli.apply import kinds, read, resource_of
from knet.cli.get import chosen
from knet.errors import ObjectRef


@click.command("delete")
@click.argument("kind", required=False)
@click.argument("names", nargs=-1)
@click.option(
    "-f",
    "--filename",
    "inputs",
    multiple=True,
    metavar="INPUT",
    help="The objects of a file or directory, or -.",
)
@click.option("-n", "--namespace", default="default", show_default=True)
@cluster.STATE
def command(
    kind: str | None, names: tuple[str, ...], inputs: tuple[str, ...], namespace: str, state: Path
) -> None:
    """Delete objects: `knet delete pods web-1`, `knet delete -f app.yaml`."""
    if not inputs and not (kind and names):
        raise click.UsageError("name a kind and objects, or a file with -f")
    if kind and not names:
        raise click.UsageError(f"name the {kind} to delete")
    bodies = read(inputs) if inputs else []

    async def work(client: Any) -> None:
        known = await kinds(client)
        with cluster.Refusals() as refusals:
            for body in bodies:
                meta = body["metadata"]
                where = meta.get("namespace", namespace)
                with refusals.of(ObjectRef(body["kind"], where, meta["name"])):
                    await _delete(client, resource_of(known, body), meta["name"], where)
            for name in names:
                with refusals.of(ObjectRef(kind or "", namespace, name)):
                    await _delete(client, chosen(known, kind or ""), name, namespace)

    cluster.with_client(state, work)


async def _delete(client: Any, resource: Any, name: str, namespace: str) -> None:
    await client.delete(resource, name, namespace if resource.namespaced else None)
    click.echo(f"{resource.plural}/{name} deleted")
