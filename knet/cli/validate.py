"""`knet validate`: everything that is wrong, of all files at once."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import click

from knet.cli import common, output
from knet.errors import Diagnostic
from knet.files import Loaded, locate
from knet.routing.build import build
from knet.routing.check import check, unique


@click.command("validate")
@common.reading
@click.option("--gateway", default=common.ALL, show_default=True, help="Check what this gateway can express.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
)
def command(gateway: str, form: str, **given: Any) -> None:
    """Check files and say what is wrong, with file, line and the mend.

    The numbered checks are explained in docs/checks.md.

    \b
    Exit status: 0 no errors, 1 errors (with --strict: or warnings), 2 could not do it.
    """  # noqa: D301
    options = common.options_of(given)
    backends, problems = common.gateways(gateway)
    loaded = common.read(options)
    now = dt.datetime.now(dt.UTC)
    found = [*problems, *loaded.diagnostics, *_general(loaded, options, now)]
    for backend in backends.values():
        found += common.make(loaded, backend, options, now).diagnostics
    shown = _chosen(output.ordered(unique(found)), options)
    _print(shown, form)
    _summary(shown, loaded, options)
    counts = output.counts(shown)
    if counts["error"] or (options.strict and counts["warning"]):
        sys.exit(1)


def _general(loaded: Loaded, options: common.Options, now: dt.datetime) -> tuple[Diagnostic, ...]:
    """What holds whatever the gateway, for KIngresses of any class."""
    composed = common.composed_of(loaded, options)
    table = build(composed.world)
    found = [
        *composed.diagnostics,
        *check(composed.world, table, implied_secrets=composed.implied_secrets, now=now),
    ]
    return locate(found, loaded, composed.parents)


def _chosen(found: list[Diagnostic], options: common.Options) -> list[Diagnostic]:
    kept = {"error"} if options.quiet else {"error", "warning"}
    return found if options.verbose else [d for d in found if d.severity in kept]


def _print(found: list[Diagnostic], form: str) -> None:
    if form == "text":
        text = output.as_text(found, colour=output.coloured(sys.stdout))
    else:
        text = {"json": output.as_json, "github": output.as_github, "sarif": output.as_sarif}[form](found)
    click.echo(text, nl=False)


def _summary(found: list[Diagnostic], loaded: Loaded, options: common.Options) -> None:
    if options.quiet:
        return
    counts = output.counts(found)
    said = ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in counts.items() if n) or "all fine"
    files = len(loaded.files)
    click.echo(
        f"knet: {len(loaded.objects)} objects in {files} file{'s' if files != 1 else ''}: {said}", err=True
    )
    if options.verbose and loaded.passed_over:
        counted = ", ".join(f"{n} {kind}" for kind, n in sorted(loaded.passed_over.items()))
        click.echo(f"knet: passed over: {counted}", err=True)
