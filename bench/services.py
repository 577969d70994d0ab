"""N Services come up in `knet up`, each with a pod (`--services=N`, 1,000 by default), and rest; then one more.

Nobody asks for them: a minute after a Service has come up it is at zero, so that at most some hundred pods are there at
once (a thousand would not fit: 22 MB each). With `--keep` they stay.

Bar (issue 5): that one is Ready ≤ 1 s beyond its process's own start. Beside it the first Service of the empty cluster,
and the same program started by nobody's help. A pod is the sample `hello` and a queue-proxy (an Envoy, and Python).
Memory is proportional: what processes share is divided among them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.coldstart import Cluster, own_start
from knet.kube import resources
from knet.local.pods.node import family

AT_ONCE = 20
REST_S = 20


async def one(cluster: Cluster, name: str) -> float:
    """Seconds from the request that makes a Service until it is Ready."""
    began = time.perf_counter()
    await cluster.service(name, **SCALE, **KEEP)
    async for event in cluster.client.watch(resources.KSERVICES, "default", fields=f"metadata.name={name}"):
        conditions = (event.object.get("status") or {}).get("conditions") or ()
        if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            break
    return time.perf_counter() - began


SCALE = {"autoscaling.knative.dev/initial-scale": "1", "autoscaling.knative.dev/window": "60s"}
KEEP = {"autoscaling.knative.dev/min-scale": "1"} if "--keep" in sys.argv else {}


async def made(cluster: Cluster, names: list[str]) -> float:
    """Seconds until all of them are Ready; so many are asked for at once."""
    began = time.perf_counter()
    waiting = iter(names)

    async def some() -> None:
        for name in waiting:
            await one(cluster, name)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
    return time.perf_counter() - began


def used(state: Path) -> dict[str, tuple[float, int, int]]:
    """By what they are: (CPU seconds, proportional memory in kB, number) of the cluster's processes."""
    marks = (str(state).encode(), family(state / "pods").encode())
    found: dict[str, tuple[float, int, int]] = {}
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit():
                continue
            command = (entry / "cmdline").read_bytes()
            about = command + os.fsencode((entry / "cwd").readlink()) + (entry / "environ").read_bytes()
            if not command or not any(mark in about for mark in marks):
                continue
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            rollup = (entry / "smaps_rollup").read_text()
        except OSError:
            continue
        memory = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        kind = _kind(command.split(b"\0"))
        before = found.get(kind, (0.0, 0, 0))
        found[kind] = (before[0] + cpu, before[1] + memory, before[2] + 1)
    return found


def _kind(words: list[bytes]) -> str:
    text = b" ".join(words)
    if words[0].endswith(b"envoy"):
        return "queue-proxies' Envoys" if b".queue-proxy" in text else "gateway's and activator's Envoys"
    for mark, kind in (
        (b"hello.py", "programs"),
        (b" activator ", "activator"),
        (b" autoscaler ", "autoscaler"),
    ):
        if mark in text:
            return kind
    return "knet up" if b" up" in text else "queue-proxies, node"


async def run(services: int) -> None:
    own = own_start()
    with tempfile.TemporaryDirectory(prefix="knet-bench-") as folder:
        async with Cluster(Path(folder, "state")) as cluster:
            first = await one(cluster, "first")
            print(f"own start {own * 1000:.0f} ms; the first Service Ready after {first * 1000:.0f} ms")
            took = await made(cluster, [f"many{i}" for i in range(services)])
            print(
                f"{services} Services with a pod each Ready after {took:.0f} s ({took / services * 1000:.0f} ms each)"
            )
            if not KEEP:
                await _at_zero(cluster)
            await asyncio.sleep(REST_S)  # what the last ones set off
            before = used(cluster.state)
            began = time.perf_counter()
            await asyncio.sleep(REST_S)
            after, passed = used(cluster.state), time.perf_counter() - began
            print("\n| at rest | processes | memory MB | CPU, % of a core |\n|---|---|---|---|")
            for kind, (cpu, memory, count) in sorted(after.items(), key=lambda found: -found[1][1]):
                share = (cpu - before.get(kind, (cpu, 0, 0))[0]) / passed * 100
                print(f"| {kind} | {count} | {memory / 1024:.0f} | {share:.1f} |")
            more = sorted([await one(cluster, f"more{i}") for i in range(5)])
            beyond = more[2] - own
            print(
                f"\none more Ready after {more[2] * 1000:.0f} ms (median of 5), {beyond * 1000:.0f} ms beyond its start"
            )


async def _at_zero(cluster: Cluster) -> None:
    async with asyncio.timeout(600):
        while (await cluster.client.list(resources.PODS, "default")).items:  # noqa: ASYNC110
            await asyncio.sleep(1)


def main() -> None:
    given = [a.removeprefix("--services=") for a in sys.argv if a.startswith("--services=")]
    asyncio.run(run(int(given[0]) if given else 1000))
