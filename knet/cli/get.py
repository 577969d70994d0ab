"""`knet get`: objects of the embedded cluster, for those without kubectl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.cli.apply import kinds
from knet.errors import KnetError
from knet.text import json, yaml


@click.command("get")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-A", "--all-namespaces", is_flag=True)
@click.option(
    "-o", "--output", "form", type=click.Choice(["name", "yaml", "json"]), default="name", show_default=True
)
@click.option("--kinds", "list_kinds", is_flag=True, help="List the kinds instead.")
@cluster.STATE
def command(
    *,
    kind: str | None,
    name: str | None,
    namespace: str,
    all_namespaces: bool,
    form: str,
    list_kinds: bool,
    state: Path,
) -> None:
    """List objects of a kind, or show one: `knet get pods`, `knet get ingresses hello -o yaml`."""

    async def work(client: Any) -> list[dict[str, Any]]:
        known = await kinds(client)
        if list_kinds or kind is None:
            for resource in known:
                click.echo(f"{resource.plural}\t{resource.api_version}\t{resource.kind}")
            return []
        resource = chosen(known, kind)
        where = None if all_namespaces or not resource.namespaced else namespace
        if name is None:
            items: list[dict[str, Any]] = (await client.list(resource, where)).items
            return items
        return [await client.get(resource, name, where)]

    items = cluster.with_client(state, work)
    if form == "name":
        for item in items:
            click.echo("/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"]["name"]))))
    elif form == "json":
        click.echo(json.pretty(items[0] if name else items))
    else:
        click.echo(yaml.dump_all(items), nl=False)


def chosen(known: list[Any], kind: str) -> Any:
    """A kind by its plural, its singular or its name. Raises KnetError if there is none."""
    wanted = kind.lower()
    for resource in known:
        if wanted in (resource.plural, resource.kind.lower(), f"{resource.plural}.{resource.group}"):
            return resource
    raise KnetError(
        checks.NOT_AN_OBJECT(f"the cluster has no kind {kind}", hint="knet get --kinds lists them")
    )
