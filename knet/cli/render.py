"""`knet render`: inputs in, gateway configuration out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from knet.cli import common, output
from knet.cli.common import Made, Options
from knet.errors import KnetError, errors
from knet.files import Loaded
from knet.text import json, yaml


@click.command("render")
@common.reading
@click.option("--gateway", required=True, help="istio, contour, kourier, another that is installed, or all.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
@click.option("--out", metavar="DIR", help="Write one file for each object into DIR.")
def command(gateway: str, form: str, out: str | None, **given: Any) -> None:
    """Render KIngresses, Services, Routes and DomainMappings into gateway configuration.

    istio and contour give Kubernetes objects (JSON: one array), kourier Envoy resources by section.
    What is wrong is said on stderr; an object with an error is left out, and the rest is rendered.

    \b
    Exit status: 0 rendered, 1 with --strict if anything is wrong, 2 could not do it.

    \b
    Examples:
      knet render -f examples/ --gateway istio
      knet render -f examples/ --gateway kourier -o json
      knet render git:main:deploy --gateway all --out rendered/
    """  # noqa: D301
    options = common.options_of(given)
    backends, problems = common.gateways(gateway)
    if not backends:
        raise KnetError(*problems)
    loaded = common.read(options)
    made = {name: common.make(loaded, backend, options) for name, backend in backends.items()}
    found = [*problems, *loaded.diagnostics, *(d for m in made.values() for d in m.diagnostics)]
    documents = {name: m.backend.documents(m.rendered) for name, m in made.items()}
    if out is None:
        _print(documents, form, single=gateway != common.ALL)
    else:
        _write(documents, form, out, single=gateway != common.ALL, quiet=options.quiet)
    output.report(found, quiet=options.quiet, verbose=options.verbose)
    for text in _remarks(loaded, made, documents, options):
        click.echo(f"knet: {text}", err=True)
    if options.strict and errors(found):
        sys.exit(1)


def _remarks(
    loaded: Loaded, made: dict[str, Made], documents: dict[str, Any], options: Options
) -> Iterator[str]:
    """What is said in the end: what was left out, and why nothing came of it."""
    if loaded.invalid and not options.lenient:
        names = ", ".join(sorted(str(ref) for ref in loaded.invalid))
        yield f"left out because of errors: {names}"
    for name, m in made.items():
        if m.rendered.left_out:
            names = ", ".join("/".join(key) for key in sorted(m.rendered.left_out))
            yield f"{name}: left out because of errors: {names}"
        if not _size(documents[name]) and not options.quiet:
            others = len(m.composed.world.ingresses)
            yield (
                f"{name}: nothing to render: {len(loaded.objects)} objects were read, among them "
                f"{others} KIngresses, none of class {m.backend.ingress_class}"
                if not m.table.ingresses
                else f"{name}: nothing to render"
            )
        if options.verbose and (counts := common.passed_over(loaded, m)):
            yield f"{name}: passed over: {', '.join(counts)}"


def _size(documents: Any) -> int:
    return sum(map(len, documents.values())) if isinstance(documents, dict) else len(documents)


def _print(documents: dict[str, Any], form: str, *, single: bool) -> None:
    if form == "json":
        body = next(iter(documents.values())) if single else documents
        click.echo(json.pretty(body))
        return
    parts = [_yaml(body) for body in documents.values()]
    if not single:
        parts = [f"# {name}\n{part}" for name, part in zip(documents, parts, strict=True)]
    click.echo("---\n".join(parts), nl=False)


def _yaml(body: Any) -> str:
    if isinstance(body, dict):
        return yaml.dump(body)
    return yaml.dump_all(body) if body else ""


def _write(documents: dict[str, Any], form: str, out: str, *, single: bool, quiet: bool) -> None:
    from knet.files import write

    for name, body in documents.items():
        folder = out if single else f"{out}/{name}"
        texts = {
            f"{stem}.{form}": json.pretty(item) + "\n" if form == "json" else yaml.dump(item)
            for stem, item in write.named(body)
        }
        done = write.write(folder, texts)
        if not quiet:
            click.echo(f"knet: {folder}: {done}", err=True)
