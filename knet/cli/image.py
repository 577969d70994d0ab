"""`knet image`: which command runs for an image name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from knet.cli import cluster


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
    _images(state).add(name, line, directory)
    click.echo(f"{name} runs {' '.join(line)}")


@command.command("list")
@cluster.STATE
def list_images(state: Path) -> None:
    """List what is mapped, the built-in samples too."""
    from knet.local.pods.images import samples

    for name, found in sorted((samples() | _images(state).list()).items()):
        click.echo(f"{name}\t{' '.join(found.command)}")


@command.command("remove")
@click.argument("name")
@cluster.STATE
def remove(name: str, state: Path) -> None:
    """Forget a mapping."""
    click.echo(f"{name} removed" if _images(state).remove(name) else f"{name} is not mapped")


def _images(state: Path) -> Any:
    from knet.local.pods.images import Images

    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Images(state / "images.yaml")
