"""`knet apply`: objects into the embedded cluster, for those without kubectl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError, ObjectRef

Object = dict[str, Any]


@click.command("apply")
@click.option(
    "-f",
    "--filename",
    "inputs",
    multiple=True,
    required=True,
    metavar="INPUT",
    help="File, directory, glob, or -.",
)
@click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")
@cluster.STATE
def command(inputs: tuple[str, ...], namespace: str, state: Path) -> None:
    """Apply YAML or JSON (server-side apply): objects are made, or become what the files say.

    Nothing is applied if a file cannot be read; an object that is refused does not keep the others out.
    """
    bodies = read(inputs)

    async def work(client: Any) -> None:
        known = await kinds(client)
        with cluster.Refusals() as refusals:
            for body in bodies:
                with refusals.of(named(body)):
                    resource = resource_of(known, body)
                    if resource.namespaced:
                        body["metadata"].setdefault("namespace", namespace)
                    made = await client.apply(resource, body, manager="knet-cli")
                    click.echo(f"{resource.plural}/{made['metadata']['name']} applied")

    cluster.with_client(state, work)


def named(body: Object) -> ObjectRef:
    """What an object is called in findings."""
    return ObjectRef(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"])


def read(inputs: Sequence[str]) -> list[Object]:
    """The objects of files, lists unpacked. Raises KnetError for what cannot be read or is no object."""
    from knet.files.sources import resolve
    from knet.text import yaml

    files, unread = resolve(inputs)
    items: list[Object] = []
    found = list(unread)
    for file in files:
        try:
            documents = [d.data for d in yaml.load_all(file.content)]
        except yaml.YamlError as error:
            found.append(checks.SYNTAX(f"{file.name}: {error}"))
            continue
        for item in (one for data in documents for one in _unpacked(data)):
            if _is_object(item):
                items.append(item)
            else:
                found.append(
                    checks.NOT_AN_OBJECT(f"{file.name}: every object says apiVersion, kind and metadata.name")
                )
    if not items and not found:
        found.append(checks.NOT_AN_OBJECT(f"{', '.join(inputs)}: there is no object"))
    if found:
        raise KnetError(*dict.fromkeys(found))
    return items


def _unpacked(data: Any) -> list[Any]:
    items = (
        data.get("items") if isinstance(data, dict) and str(data.get("kind", "")).endswith("List") else None
    )
    return items if isinstance(items, list) else [data]


def _is_object(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(meta := item.get("metadata"), dict):
        return False
    words = (item.get("apiVersion"), item.get("kind"), meta.get("name"))
    return all(isinstance(word, str) and word for word in words)


async def kinds(client: Any) -> list[Any]:
    """Every kind that the cluster has."""
    from knet.local.controllers.collector import kinds as every

    found: list[Any] = await every(client)
    return found


def resource_of(known: list[Any], body: Object) -> Any:
    """The kind of an object. Raises KnetError if the cluster has none such."""
    for resource in known:
        if (resource.api_version, resource.kind) == (body["apiVersion"], body["kind"]):
            return resource
    said = f"{body['apiVersion']} {body['kind']}"
    raise KnetError(
        checks.NOT_AN_OBJECT(f"the cluster has no kind {said}", hint="knet get --kinds lists them")
    )
