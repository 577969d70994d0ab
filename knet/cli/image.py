"""`knet image`: which command runs for an image name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError
from knet.local.state import make


@click.group("image")
def command() -> None:
    """Say which command runs for an image name: on this cluster pods are processes."""


@command.command("add", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("line", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--directory", default="", help="Where it runs.")
@cluster.STATE
def add(name: str, line: tuple[str, ...], directory: str, state: Path) -> None:
    """Map an image name (or a pattern such as local/*) to a command.

    \b
    Example:
      knet image add dev.local/shop -- python3 shop.py
    """  # noqa: D301
    with _images(state) as images:
        images.add(name, line, directory and str(Path(directory).absolute()))
    click.echo(f"{name} runs {' '.join(line)}")


@command.command("list")
@cluster.STATE
def list_images(state: Path) -> None:
    """List what is mapped, the built-in samples too."""
    from knet.local.pods.images import samples

    with _images(state) as images:
        known = samples() | images.list()
    for name, found in sorted(known.items()):
        click.echo(f"{name}\t{' '.join(found.command)}")


@command.command("remove")
@click.argument("name")
@cluster.STATE
def remove(name: str, state: Path) -> None:
    """Forget a mapping."""
    with _images(state) as images:
        click.echo(f"{name} removed" if images.remove(name) else f"{name} is not mapped")


@contextmanager
def _images(state: Path) -> Iterator[Any]:
    """The images of a cluster. Raises KnetError for a file of images that cannot be read."""
    from knet.local.pods.images import BadImages, Images

    make(state)
    try:
        yield Images(state / "images.yaml")
    except BadImages as error:
        raise KnetError(checks.SYNTAX(str(error))) from error
