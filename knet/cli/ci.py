"""`knet ci`: the workflow of docs/ci.md, for your folder and your limits."""

from __future__ import annotations

import re

import click

from knet.routing.diff import Kind
from knet.text import templates

KINDS = [kind.value for kind in Kind]
DEFAULT_FORBIDDEN = "host-removed,visibility-widened,tls-removed"
_PATH = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*\Z")


def _path(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not _PATH.match(value):
        raise click.BadParameter("a folder of the repository, such as deploy or config/routing")
    return value


def _kinds(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    wrong = [name for name in value.split(",") if name and name not in KINDS]
    if wrong:
        raise click.BadParameter(f"{wrong[0]} is no kind of change: there are {', '.join(KINDS)}")
    return value


@click.group("ci")
def command() -> None:
    """Print a workflow that checks routing on every pull request (docs/ci.md)."""


@command.command("github")
@click.option("--path", default="deploy", show_default=True, callback=_path, help="Folder with the YAML.")
@click.option("--gateway", default="", metavar="NAME", help="Only this gateway (default: all).")
@click.option("--max-shift", type=click.IntRange(0, 100), default=20, show_default=True, metavar="POINTS")
@click.option("--forbid", default=DEFAULT_FORBIDDEN, show_default=True, callback=_kinds, metavar="KINDS")
def github(path: str, gateway: str, max_shift: int, forbid: str) -> None:
    """A GitHub Actions workflow: validate, annotate, one comment kept up to date, and the guards.

    \b
    Example:
      knet ci github --path config > .github/workflows/routing.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    guards = f"--max-shift {max_shift}" + (f" --forbid {forbid}" if forbid else "")
    gateways = f" --gateway {gateway}" if gateway else ""
    text = templates.render("ci/github-workflow.yaml.j2", path=path, gateways=gateways, guards=guards)
    click.echo(text, nl=False)
