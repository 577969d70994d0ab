"""`knet backends`: what is installed and what it can express."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from knet.backends import registry
from knet.cli import output
from knet.text import json


@click.command("backends")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(form: str) -> None:
    """List the gateways that are installed and what they can express.

    One that cannot be loaded is shown with the reason. A gateway is a package with an entry point in
    the group knet.backends (docs/add-a-backend.md).
    """
    found, problems = registry.load_all()
    rows: list[dict[str, Any]] = [
        {"name": name, "class": b.ingress_class, "capabilities": dataclasses.asdict(b.capabilities)}
        for name, b in found.items()
    ]
    if form == "json":
        click.echo(json.pretty({"backends": rows, "problems": [output.to_dict(d) for d in problems]}))
        return
    for line in _table(rows) if rows else ["no gateway can be loaded"]:
        click.echo(line.rstrip())
    output.report(problems)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """One column for each gateway, one line for each capability."""
    names = [row["name"] for row in rows]
    lines = [["", *names], ["ingress class", *(row["class"].partition(".")[0] + ".…" for row in rows)]]
    capabilities = list(dict.fromkeys(c for row in rows for c in row["capabilities"]))
    for capability in capabilities:
        marks = ["yes" if row["capabilities"].get(capability) else "no" for row in rows]
        lines.append([capability.replace("_", " "), *marks])
    widths = [max(map(len, column)) + 2 for column in zip(*lines, strict=True)]
    return ["".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
