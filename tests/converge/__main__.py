"""`python -m tests.converge [RUNS] [--seed N]`: courses of writes while controllers are killed and requests fail."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from converge.course import differences, outcome


async def run(runs: int, seed: int) -> int:
    """Compares so many runs with a clean one; how many came to something else."""
    clean, _ = await outcome(seed, 0.0, 0.0)
    bad = 0
    for number in range(1, runs + 1):
        other, kills = await outcome(seed + number, 0.1, 0.5)
        found = differences(clean, other)
        bad += bool(found)
        click.echo(f"seed {seed + number}: {kills} kills, {len(other)} objects, {len(found)} differences")
        for line in found:
            click.echo(f"  {line}")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.converge", description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    return 1 if asyncio.run(run(wanted.runs, wanted.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
