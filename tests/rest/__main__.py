"""`python -m tests.rest [SECONDS]`: what the controllers and the autoscaler write when all is as wanted: nothing."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from rest.course import Course, missing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rest", description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=300.0)
    wanted = parser.parse_args()
    if why := missing():
        click.echo(why, err=True)
        return 2
    with tempfile.TemporaryDirectory(prefix="knet-rest-") as folder:
        figures = asyncio.run(Course(Path(folder), wanted.seconds).run())
    click.echo("\n".join(figures.lines()))
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())
