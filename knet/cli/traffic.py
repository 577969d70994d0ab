"""`knet traffic`: the traffic block of a Service, shown and set in the file it is written in."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from knet.serving.shares import Target

EXAMPLES = """\b
Examples:
  knet traffic show hello -f service.yaml
  knet traffic set hello --to hello-00002=25 -f service.yaml
  knet traffic set hello --to @latest=10 --tag canary=@latest -f services/ --dry-run
"""
_SHARE = re.compile(r"(?P<name>[^=\s]+)=(?P<percent>\d{1,3})%?\Z")
_TAG = re.compile(r"(?P<tag>[a-z]([-a-z0-9]{0,61}[a-z0-9])?)=(?P<name>[^=\s]+)\Z")


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Show or edit the traffic block of a Service (or Route) in its file."""


def _shares(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for value in values:
        match = _SHARE.match(value)
        if not match or int(match["percent"]) > 100:
            raise click.BadParameter(f"{value} is not REVISION=PERCENT, such as hello-00002=25")
        if match["name"] in shares:
            raise click.BadParameter(f"{match['name']} is given twice")
        shares[match["name"]] = int(match["percent"])
    return shares


def _tags(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for value in values:
        match = _TAG.match(value)
        if not match:
            raise click.BadParameter(f"{value} is not TAG=REVISION, such as canary=hello-00002")
        if match["tag"] in tags:
            raise click.BadParameter(f"tag {match['tag']} is given twice")
        tags[match["tag"]] = match["name"]
    return tags


_files = click.option(
    "-f",
    "--filename",
    "inputs",
    multiple=True,
    required=True,
    metavar="PATH",
    help="File or directory that holds the Service; may repeat.",
)


@command.command("set", epilog=EXAMPLES)
@click.argument("service")
@click.option(
    "--to",
    "shares",
    multiple=True,
    callback=_shares,
    metavar="REVISION=PERCENT",
    help="Give a revision this share; may repeat. The others share the rest as they do now.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    callback=_tags,
    metavar="TAG=REVISION",
    help="Give a revision this tag (and take it from any other); may repeat.",
)
@_files
@click.option("--dry-run", is_flag=True, help="Print what would change, as a patch, and write nothing.")
def set_(
    service: str, shares: dict[str, int], tags: dict[str, str], inputs: tuple[str, ...], dry_run: bool
) -> None:
    """Set shares and tags of SERVICE (NAME or NAMESPACE/NAME) in the file it is written in.

    Comments, order and quotes stay. REVISION is a name, @latest (latestRevision: true), @stable (the
    largest share now) or @prev (the newest revision before the latest that the block names). Shares
    that are not named are scaled so that all add up to 100.
    """
    from knet.files import edit

    if not shares and not tags:
        raise click.UsageError("nothing to set: give --to or --tag")
    edited = edit.edit(edit.find(inputs, service), shares, tags)
    if dry_run:
        click.echo(edited.patch, nl=False)
        return
    if edited.content == edited.found.content:
        click.echo(f"{edited.found.file}: already so")
        return
    edit.write(edited)
    click.echo(f"{edited.found.file}:{edited.found.block.line}: {_summary(edited.found.targets)}")
    click.echo(f"{' ' * len(edited.found.file)}  now {_summary(edited.targets)}")


@command.command("show")
@click.argument("service")
@_files
def show(service: str, inputs: tuple[str, ...]) -> None:
    """Print the traffic block of SERVICE as it is written."""
    from knet.files import edit

    found = edit.find(inputs, service)
    click.echo(f"{found.ref} ({found.file}:{found.block.line})")
    width = max((len(t.name) for t in found.targets), default=0)
    for target in found.targets:
        tag = f"  tag {target.tag}" if target.tag else ""
        click.echo(f"  {target.name:<{width}}  {target.percent:>3} %{tag}")


def _summary(targets: Iterable[Target]) -> str:
    return ", ".join(f"{t.name} {t.percent}{f' ({t.tag})' if t.tag else ''}" for t in targets)
