"""`knet kingress`: the KIngresses that Knative's objects make."""

from __future__ import annotations

import sys
from typing import Any

import click

from knet.cli import common, output
from knet.errors import errors
from knet.files import locate
from knet.model import kingress
from knet.text import json, yaml


@click.command("kingress")
@common.reading
@click.option("--gateway", help="Make them for this gateway's class; else as config-network says.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
def command(gateway: str | None, form: str, **given: Any) -> None:
    """Print the KIngresses that Services, Routes and DomainMappings make.

    Exactly as Knative Serving's control plane makes them. KIngresses that are written down are not
    repeated.
    """
    options = common.options_of(given)
    ingress_class = ""
    if gateway:
        ingress_class = next(iter(common.gateways(gateway)[0].values())).ingress_class
    loaded = common.read(options)
    composed = common.composed_of(loaded, options, ingress_class)
    made = [kingress.to_dict(item) for _, item in sorted(composed.compiled.items())]
    if form == "json":
        click.echo(json.pretty(made))
    elif made:
        click.echo(yaml.dump_all(made), nl=False)
    found = [*loaded.diagnostics, *locate(composed.diagnostics, loaded, composed.parents)]
    output.report(found, quiet=options.quiet, verbose=options.verbose)
    if not made and not options.quiet:
        click.echo("knet: no KIngress is made: no Service, Route or DomainMapping was read", err=True)
    if options.strict and errors(found):
        sys.exit(1)
