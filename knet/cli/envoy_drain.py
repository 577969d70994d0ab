"""`knet envoy-drain`: what a gateway's pod does before it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from knet import checks
from knet.errors import KnetError


@click.command("envoy-drain", hidden=True)
@click.option("--admin", type=click.Path(path_type=Path), required=True, help="Envoy's admin socket.")
@click.option(
    "--settle", default=5.0, show_default=True, help="Seconds until others have forgotten this one."
)
@click.option("--seconds", default=30.0, show_default=True, help="The most that requests under way have.")
def command(*, admin: Path, settle: float, seconds: float) -> None:
    """Let requests under way finish, and no new ones come. A preStop hook, not for people."""
    from knet.envoy.bootstrap import Unix
    from knet.envoy.process_drain import drain

    try:
        asyncio.run(drain(Unix(admin), settle, seconds))
    except OSError as error:
        raise KnetError(checks.ENVOY_FAILED(f"{admin}: {error}")) from error
