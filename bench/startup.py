"""knet as a whole process: median of 9, against `python -c pass` in the same run.

Bars (issue 2): `knet --help` ≤ 150 ms, `knet render` of one file ≤ 400 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import synthetic
from knet.text import yaml

RUNS = 9


def median_ms(command: list[str]) -> float:
    """The median wall time of a command, in ms."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main() -> None:
    python = median_ms([sys.executable, "-c", "pass"])
    knet = [sys.executable, "-m", "knet"]
    print("| command | ms | bar | × `python -c pass` |")
    print("|---|---|---|---|")
    print(f"| python -c pass | {python:.0f} | | 1.0 |")
    with tempfile.TemporaryDirectory() as folder:
        rows = [("knet --help", [*knet, "--help"], 150)]
        for gateway in ("istio", "contour", "kourier"):
            file = Path(folder, f"{gateway}.yaml")
            file.write_text(yaml.dump_all([synthetic.ingress(1, gateway), *synthetic.backends(1)]))
            command = [*knet, "render", "-f", str(file), "--gateway", gateway]
            rows.append((f"knet render, one file, {gateway}", command, 400))
        for name, command, bar in rows:
            took = median_ms(command)
            print(f"| {name} | {took:.0f} | {bar} | {took / python:.1f} |")


if __name__ == "__main__":
    main()
