"""Parsed KIngress to bytes: routing.build, render, serialise; one core, GC on.

The baseline, measured in the same run, is what any controller does to the same KIngress anyway: parse it
from JSON into a typed object and write it back (`parse+json`). Bars (issue 2): istio ≤ 200 µs, contour
≤ 150 µs, kourier ≤ 150 µs; the Go controllers' own figures are in shared/facts/translation.md, part 3.
Each gateway runs in a process of its own, so that memory is its own.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time

GO = {"istio": 364, "contour": 261, "kourier": 398}
"""µs for each KIngress of 10,000 with the Go controllers (facts/translation.md, part 3)."""

BARS = {"istio": 200, "contour": 150, "kourier": 150}
COUNT = 10_000


def measure(gateway: str, count: int) -> dict[str, float]:
    """Seconds of each phase over `count` KIngresses, bytes written, and peak memory in MB."""
    from bench import synthetic
    from knet.backends import registry
    from knet.model import kingress
    from knet.routing.build import build
    from knet.text.json import dumps

    world = synthetic.world(count, gateway)
    backend = registry.load(gateway)
    settings, _ = backend.settings(world)
    gc.collect()
    gc.freeze()  # as a control plane does once it has its world
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    table = build(world, backend.ingress_class)
    built = time.perf_counter()
    rendered = backend.render(table, settings)
    done = time.perf_counter()
    size = sum(len(dumps(o)) for o in rendered.objects)
    size += sum(len(b) for section in rendered.resources.values() for b in section.values())
    end = time.perf_counter()
    if rendered.left_out or len(table.ingresses) != count:
        raise SystemExit(f"{gateway} left {len(rendered.left_out)} of {count} out")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    raw = [synthetic.ingress(i, gateway) for i in range(count)]
    start_baseline = time.perf_counter()
    for data in raw:
        dumps(kingress.to_dict(kingress.parse(data)))
    baseline = time.perf_counter() - start_baseline
    return {
        "baseline": baseline,
        "build": built - start,
        "render": done - built,
        "json": end - done,
        "total": end - start,
        "bytes": size,
        "input_mb": held,
        "peak_mb": peak,
    }


def main() -> None:
    print(f"{COUNT} KIngresses of four rules; µs for each\n")
    print(
        "| gateway | build | render | bytes out | total | bar | ×(parse+json) | Go | bytes each | MB peak (input) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for gateway, bar in BARS.items():
        command = [sys.executable, "-m", "bench.render", gateway, str(COUNT)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3)]
        best = min(runs, key=lambda r: r["total"])

        def each(phase: str, best: dict[str, float] = best) -> float:
            return best[phase] / COUNT * 1e6

        print(
            f"| {gateway} | {each('build'):.0f} | {each('render'):.0f} | {each('json'):.0f} "
            f"| **{each('total'):.0f}** | {bar} | {best['total'] / best['baseline']:.1f} "
            f"| {GO[gateway]} | {best['bytes'] / COUNT:.0f} | {best['peak_mb']:.0f} ({best['input_mb']:.0f}) |"
        )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
