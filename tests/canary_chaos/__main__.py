"""`python -m tests.canary_chaos [--rate N]`: canaries aborted, and controllers killed with -9, at every step under load.

Each step twice: when it has been decided and nothing is written yet, and when it is served. Exit status 1 if a request
was lost that the canary's own program has not failed, or if a rollout ended otherwise than it must.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from canary_chaos.course import HEAD, MOMENTS, STEPS, Row, Scene
from parts import parts


def told(row: Row) -> bool:
    """Prints it; whether it is all right."""
    click.echo(str(row))
    return row.good and not row.lost


async def run(rate: float) -> bool:
    good = True
    click.echo(HEAD)
    with tempfile.TemporaryDirectory(prefix="kcc") as folder:
        async with parts(Path(folder)) as cluster:
            scene = Scene(cluster, rate)
            await scene.begin()
            for moment in MOMENTS:
                for weight in STEPS:
                    good &= told(await scene.aborted(weight, moment))
            for moment in MOMENTS:
                for row in await scene.killed(moment):
                    good &= told(row)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.canary_chaos", description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    return 0 if asyncio.run(run(parser.parse_args().rate)) else 1


if __name__ == "__main__":
    sys.exit(main())
