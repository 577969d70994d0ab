"""`python -m tests.crash [ROUNDS] [--seed N]`: kill -9 of `knet up` at random moments under writes."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from crash.rounds import Crash


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    click.echo(f"seed {wanted.seed}")
    with tempfile.TemporaryDirectory(prefix="knet-crash-") as folder:
        crash = Crash(Path(folder), wanted.seed)
        figures = asyncio.run(crash.run(wanted.rounds, lambda n: click.echo(f"\r{n}", nl=False)))
    click.echo("\n".join(("", *figures.lines(crash.ledger), *figures.lost, *figures.left)))
    return 1 if figures.lost or figures.left else 0


if __name__ == "__main__":
    sys.exit(main())
