"""`knet get`: objects of the embedded cluster, for those without kubectl."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.cli.apply import kinds
from knet.cli.output import printable
from knet.errors import KnetError
from knet.text import json, yaml

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_FORMS = click.Choice(["tree", "table", "wide", "name", "yaml", "json"])
_KSERVICES = ("services", "service", "ksvc", "kservice")
"""Knative's Services are what people mean here; `svc` are Kubernetes's."""
_TREES = {
    **dict.fromkeys(_KSERVICES, "services"),
    **dict.fromkeys(("revisions", "revision", "rev"), "revisions"),
}
_TREES |= dict.fromkeys(("routes", "route", "rt"), "routes")


@click.command("get")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-A", "--all-namespaces", is_flag=True)
@click.option(
    "-o",
    "--output",
    "form",
    type=_FORMS,
    help="Default: a tree of services, revisions and routes, else a table.",
)
@click.option("--kinds", "list_kinds", is_flag=True, help="List the kinds instead.")
@cluster.STATE
def command(
    *,
    kind: str | None,
    name: str | None,
    namespace: str,
    all_namespaces: bool,
    form: str | None,
    list_kinds: bool,
    state: Path,
) -> None:
    """List objects of a kind, or show one.

    Knative's Services, Revisions and Routes are shown as trees: who has which share of the traffic, and the pods
    behind it. `svc` are Kubernetes's Services.

    \b
    Examples:
      knet get services                who has which share, and its pods
      knet get --kinds                 which kinds there are
      knet get pods -A
      knet get ingresses hello -o yaml
    """  # noqa: D301

    async def work(client: Any) -> Any:
        known = await kinds(client)
        if list_kinds or kind is None:
            return [[r.plural, r.api_version, str(r.namespaced).lower(), r.kind] for r in known]
        resource = chosen(known, kind)
        where = None if all_namespaces or not resource.namespaced else namespace
        if form in ("table", "wide"):
            return json.loads(await client.raw(resource.path(where, name), _TABLE))
        return (
            [await client.get(resource, name, where)] if name else (await client.list(resource, where)).items
        )

    if name and all_namespaces:
        raise click.UsageError("an object has one namespace: -n NAMESPACE instead of -A")
    if form is None:
        form = "tree" if kind and kind.lower() in _TREES and not list_kinds else "table"
    if form == "tree" and not list_kinds:
        _print_trees(kind or "", name, None if all_namespaces else namespace, state)
        return
    found = cluster.with_client(state, work)
    if list_kinds or kind is None:
        click.echo(columns([["NAME", "APIVERSION", "NAMESPACED", "KIND"], *found]))
    elif form in ("table", "wide"):
        _print_table(found, wide=form == "wide", namespaces=all_namespaces)
    elif form == "name":
        for item in found:
            click.echo("/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"]["name"]))))
    else:
        whole = found if name else [{"apiVersion": "v1", "kind": "List", "items": found}]
        click.echo(json.pretty(whole[0]) if form == "json" else yaml.dump_all(whole).rstrip("\n"))


def _print_trees(kind: str, name: str | None, namespace: str | None, state: Path) -> None:
    import asyncio

    from knet.cli.explain_chain import read, tree
    from knet.serving.trees import TREES

    word = _TREES.get(kind.lower())
    if word is None:
        raise click.UsageError(f"{kind} are no trees: services, revisions and routes are (-o table)")
    held = asyncio.run(read(namespace, state))
    of, make = TREES[word]
    keys = sorted(key for key in held.get(of, {}) if name in (None, key[1]))
    if name and not keys:
        message = f"there is no {of.partition('.')[0]} {namespace}/{name}"
        raise KnetError(checks.NOT_AN_OBJECT(message, hint=f"knet get {word} -A"))
    if not keys:
        click.echo("nothing is there", err=True)
    for key in keys:
        if namespace is None:
            click.echo(f"{key[0]}:")
        for line in tree(make(held, key)):
            click.echo(line)


def chosen(known: list[Any], kind: str) -> Any:
    """A kind by its plural, its singular or its name. Raises KnetError if there is none."""
    wanted = kind.lower()
    if wanted in _KSERVICES:
        wanted = "services.serving.knative.dev"
        if not any(f"{r.plural}.{r.group}" == wanted for r in known):
            wanted = "services"
    elif wanted == "svc":
        wanted = "services"
    for resource in known:
        if wanted in (resource.plural, resource.kind.lower(), f"{resource.plural}.{resource.group}"):
            return resource
    raise KnetError(
        checks.NOT_AN_OBJECT(f"the cluster has no kind {kind}", hint="knet get --kinds lists them")
    )


def _print_table(table: dict[str, Any], *, wide: bool, namespaces: bool) -> None:
    if not table["rows"]:
        click.echo("nothing is there", err=True)
        return
    click.echo(columns(rows(table, wide=wide, namespaces=namespaces)))


def rows(table: dict[str, Any], *, wide: bool = False, namespaces: bool = False) -> list[list[str]]:
    """The head and the rows of a Table (meta.k8s.io/v1); columns of priority 0, or all if `wide`."""
    shown = [i for i, c in enumerate(table["columnDefinitions"]) if wide or not c.get("priority")]
    head = [table["columnDefinitions"][i]["name"].upper() for i in shown]
    made = [["NAMESPACE", *head] if namespaces else head]
    for row in table["rows"]:
        cells = ["<none>" if row["cells"][i] is None else str(row["cells"][i]) for i in shown]
        place = row["object"]["metadata"].get("namespace", "") if namespaces else ""
        made.append([place, *cells] if namespaces else cells)
    return made


def columns(lines: Iterable[list[str]]) -> str:
    """Lines of cells, each column as wide as its widest cell, three spaces apart, as kubectl prints them."""
    cells = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ("   ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(padded)
