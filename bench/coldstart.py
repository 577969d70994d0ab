"""Starts from zero in `knet up`, by phase, beside the same program started by nobody's help.

Bars (issue 6): the time beyond the process's own start ≤ 25 ms in the median; 1,000 requests at once at zero: all 200;
50 services woken at once out of as many as are given (`--services N`, 100 by default), with memory and CPU at rest.
A service has one pod with the sample `hello` and a queue-proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import aiohttp

from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import plain
from knet.kube.errors import ApiError
from knet.local.pods.images import samples

STARTS = 20
AT_ONCE = 1000
WOKEN = 50
PHASES = ("decide", "start", "ready", "first_byte")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_start(runs: int = 15) -> float:
    """Seconds from a program's start until it takes connections, without anything of ours."""
    command = samples()["hello"].command
    took = []
    for _ in range(runs):
        port = free_port()
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command], env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL
        )
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.0005)
        took.append(time.perf_counter() - began)
        process.kill()
        process.wait()
    return statistics.median(took)


class Cluster:
    """A `knet up` of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.http, self.internal = free_port(), free_port()
        self.process: subprocess.Popen[bytes]
        self.client: Client
        self.session: aiohttp.ClientSession
        self.metrics = ""

    async def up(self) -> None:
        """Starts it, and finds out where it is."""
        flags = (f"--state={self.state}", "--api=0", "--https=0", f"--http={self.http}", "--concurrency=1")
        command = [sys.executable, "-m", "knet", "up", "--detach", *flags, f"--internal={self.internal}"]
        await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        connection = plain(self.state / "kubeconfig")
        assert connection is not None
        self.client = await Client(connection).__aenter__()
        found = await self.client.get(resources.ENDPOINTS, "activator-service", "knative-serving")
        subset = found["subsets"][0]
        port = next(p["port"] for p in subset["ports"] if p["name"] == "metrics")
        self.metrics = f"http://{subset['addresses'][0]['ip']}:{port}/metrics"

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self.session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120))
        await self.up()
        body = {"metadata": {"name": "config-autoscaler", "namespace": "knative-serving"}}
        body["data"] = {"allow-zero-initial-scale": "true", "scale-to-zero-grace-period": "6s"}
        await self.client.apply(resources.CONFIG_MAPS, body, manager="bench", force=True)
        async with asyncio.timeout(30):
            while not await self._allows_zero():  # noqa: ASYNC110 - admission follows the ConfigMap
                await asyncio.sleep(0.05)
        return self

    async def _allows_zero(self) -> bool:
        try:
            await self.service("s0")
        except ApiError:
            return False
        return True

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.client.__aexit__(None, None, None)
        command = [sys.executable, "-m", "knet", "down", f"--state={self.state}"]
        await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)

    async def service(self, name: str, **notes: str) -> None:
        """A service at zero."""
        made = {"autoscaling.knative.dev/initial-scale": "0", "autoscaling.knative.dev/window": "6s", **notes}
        template = {
            "metadata": {"annotations": made},
            "spec": {"containers": [{"image": "ghcr.io/knative/helloworld-go"}]},
        }
        meta = {"name": name, "namespace": "default"}
        await self.client.apply(
            resources.KSERVICES, {"metadata": meta, "spec": {"template": template}}, manager="bench"
        )

    async def ready(self, names: list[str], within: float = 600) -> None:
        async with asyncio.timeout(within):
            while True:
                found = await self.client.list(resources.KSERVICES, "default")
                good = {i["metadata"]["name"] for i in found.items if _ready(i)}
                if good >= set(names):
                    return
                await asyncio.sleep(0.5)

    async def get(self, name: str) -> tuple[int, float]:
        began = time.perf_counter()
        headers = {"host": f"{name}.default.localhost"}
        async with self.session.get(f"http://127.0.0.1:{self.http}/", headers=headers) as answer:
            await answer.read()
            return answer.status, time.perf_counter() - began

    async def phases(self) -> dict[str, dict[str, float]]:
        """The last start of each revision by phase, as the activator tells it."""
        async with self.session.get(self.metrics) as answer:
            text = await answer.text()
        found: dict[str, dict[str, float]] = {}
        for line in text.splitlines():
            if line.startswith("knet_cold_start_last_seconds{"):
                labels, _, value = line.partition("{")[2].partition("} ")
                said = dict(part.split("=") for part in labels.replace('"', "").split(","))
                found.setdefault(said["revision"], {})[said["phase"]] = float(value)
        return found

    async def at_rest(self) -> None:
        """Waits until the control plane has nothing to do: less than a tenth of a core for half a second."""
        pid = json.loads((self.state / "ready.json").read_text())["pid"]
        async with asyncio.timeout(60):
            while True:
                before, _ = _used(pid)
                await asyncio.sleep(0.5)
                if _used(pid)[0] - before < 0.05:
                    return

    def processes(self) -> dict[str, int]:
        """Those of this cluster, by what they do."""
        ready = json.loads((self.state / "ready.json").read_text())
        found = {"knet up": int(ready["pid"])}
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if not any(str(self.state) in word for word in words):
                continue
            if "activator" in words:
                found["activator"] = int(entry.name)
            elif "autoscaler" in words:
                found["autoscaler"] = int(entry.name)
            elif words[0].endswith("envoy"):
                kind = "activator's Envoy" if "/activator/" in " ".join(words) else "gateway"
                found[kind] = int(entry.name)
        return found


def _ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _used(pid: int) -> tuple[float, int]:
    """CPU seconds and resident kB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    rss = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss


async def run(services: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    alone = own_start()
    with tempfile.TemporaryDirectory(prefix="kb") as folder:
        async with Cluster(Path(folder) / "s") as cluster:
            names = [f"s{n}" for n in range(max(services, STARTS + 1 + WOKEN))]
            for at in range(0, len(names), 20):
                await asyncio.gather(*(cluster.service(name) for name in names[at : at + 20]))
            await cluster.ready(names)
            await singles(cluster, names[:STARTS], alone)
            statuses = Counter(
                s for s, _ in await asyncio.gather(*(cluster.get(names[STARTS]) for _ in range(AT_ONCE)))
            )
            print(f"\n{AT_ONCE} requests at once at zero: {dict(statuses)}")
            await woken(cluster, names[-WOKEN:])
            await rest(cluster, len(names))


async def singles(cluster: Cluster, names: list[str], alone: float) -> None:
    """One start after the other, each when what the one before made has come to rest."""
    took = []
    for name in names:
        await cluster.at_rest()
        took.append(await cluster.get(name))
    assert {status for status, _ in took} == {200}, took
    await asyncio.sleep(0.2)  # the end of the last request is heard a moment after its answer
    phases = await cluster.phases()
    rows = [phases[f"{name}-00001"] for name in names]
    print(
        f"\n{len(names)} starts, one after the other; the program alone takes {alone * 1e3:.0f} ms until it listens\n"
    )
    print("| phase | median ms | p90 ms |\n|---|---|---|")
    for phase in PHASES:
        values = sorted(row[phase] * 1e3 for row in rows)
        print(f"| {phase} | {statistics.median(values):.1f} | {values[len(values) * 9 // 10]:.1f} |")
    whole = sorted(seconds * 1e3 for _, seconds in took)
    print(f"| the client's whole wait | {statistics.median(whole):.1f} | {whole[len(whole) * 9 // 10]:.1f} |")
    print(f"| beyond the program's own start | {statistics.median(whole) - alone * 1e3:.1f} | |")


async def woken(cluster: Cluster, names: list[str]) -> None:
    began = time.perf_counter()
    took = await asyncio.gather(*(cluster.get(name) for name in names))
    whole = time.perf_counter() - began
    middle = statistics.median(seconds for _, seconds in took)
    statuses = dict(Counter(status for status, _ in took))
    print(
        f"\n{len(names)} services woken at once: {statuses}, all after {whole:.2f} s, in the median {middle:.2f} s"
    )


async def rest(cluster: Cluster, services: int) -> None:
    """Waits until all pods are gone, then looks for ten seconds."""
    async with asyncio.timeout(300):
        while (await cluster.client.list(resources.PODS, "default")).items:  # noqa: ASYNC110
            await asyncio.sleep(1)
    processes = cluster.processes()
    before = {name: _used(pid) for name, pid in processes.items()}
    await asyncio.sleep(10)
    print(f"\n{services} services at zero, at rest for 10 s\n\n| process | MB | % of a core |\n|---|---|---|")
    for name, pid in processes.items():
        cpu, rss = _used(pid)
        print(f"| {name} | {rss / 1024:.0f} | {(cpu - before[name][0]) * 10:.1f} |")


def main() -> None:
    counts = [int(a.partition("=")[2]) for a in sys.argv if a.startswith("--services=")]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asyncio.run(run(counts[0] if counts else 100))


if __name__ == "__main__":
    main()
