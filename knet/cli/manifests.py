"""`knet manifests`: what `knet install` applies, as YAML."""

from __future__ import annotations

from typing import Any

import click

from knet.cli.installing import values_of, values_options


@click.command("manifests")
@values_options
@click.option("-o", "--output", type=click.Choice(("yaml", "json")), default="yaml", show_default=True)
def command(*, output: str, **given: Any) -> None:
    """Print what `knet install` applies, for Git.

    No cluster is asked. Rules of webhooks are static; only their caBundle is filled in on the cluster: have Argo CD
    ignore it (docs/install.md has the lines). What knet install does beyond: it prunes, keeps what users changed in
    ConfigMaps, waits, and takes the place of a plugin.

    \b
    Examples:
      knet manifests --gateway kourier --domain apps.example.com > knet.yaml
      knet manifests --gateway istio --ha --values values.yaml | kubectl apply --server-side -f -
    """  # noqa: D301
    from knet.install.manifests import manifests
    from knet.text import json, yaml

    objects = manifests(values_of(given))
    if output == "json":
        click.echo(json.pretty({"apiVersion": "v1", "kind": "List", "items": objects}))
    else:
        click.echo(yaml.dump_all(objects), nl=False)
