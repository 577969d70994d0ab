"""`knet apply`: objects into the embedded cluster, for those without kubectl."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError


@click.command("apply")
@click.option("-f", "--filename", "inputs", multiple=True, required=True, metavar="INPUT", help="File, or -.")
@click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")
@cluster.STATE
def command(inputs: tuple[str, ...], namespace: str, state: Path) -> None:
    """Apply YAML or JSON (server-side apply): objects are made, or become what the files say."""
    bodies = [body for name in inputs for body in read(name)]

    async def work(client: Any) -> None:
        known = await kinds(client)
        for body in bodies:
            resource = resource_of(known, body)
            if resource.namespaced:
                body["metadata"].setdefault("namespace", namespace)
            made = await client.apply(resource, body, manager="knet-cli")
            click.echo(f"{resource.plural}/{made['metadata']['name']} applied")

    cluster.with_client(state, work)


def read(name: str) -> list[dict[str, Any]]:
    """The objects of a file. Raises KnetError for what is no object."""
    from knet.text import yaml

    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        documents = [d.data for d in yaml.load_all(content)]
    except OSError as error:
        raise KnetError(checks.UNREADABLE(f"{name}: {error.strerror}")) from error
    except yaml.YamlError as error:
        raise KnetError(checks.SYNTAX(f"{name}: {error}")) from error
    items: list[dict[str, Any]] = []
    for data in documents:
        found = data.get("items", [data]) if isinstance(data, dict) else [data]
        for item in found:
            if (
                not isinstance(item, dict)
                or not item.get("kind")
                or not (item.get("metadata") or {}).get("name")
            ):
                raise KnetError(checks.NOT_AN_OBJECT(f"{name}: every object says kind and metadata.name"))
            items.append(item)
    return items


async def kinds(client: Any) -> list[Any]:
    """Every kind that the cluster has."""
    from knet.local.controllers.collector import kinds as every

    found: list[Any] = await every(client)
    return found


def resource_of(known: list[Any], body: dict[str, Any]) -> Any:
    """The kind of an object. Raises KnetError if the cluster has none such."""
    for resource in known:
        if (resource.api_version, resource.kind) == (body.get("apiVersion"), body["kind"]):
            return resource
    said = f"{body.get('apiVersion')} {body['kind']}"
    raise KnetError(
        checks.NOT_AN_OBJECT(f"the cluster has no kind {said}", hint="knet get --kinds lists them")
    )
