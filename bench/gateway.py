"""`knet gateway run` on 10,000 KIngress files: from the start of the process until its Envoy answers for every host.

Bars (design section 12): ready ≤ 10 s, memory of the control plane ≤ 400 MB.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench import synthetic
from bench.peers import Poller, named_backends
from bench.xds import Watched, free_ports
from knet.text import json

COUNT = 10_000


def write(folder: Path, ports: tuple[int, int]) -> None:
    """One file for each KIngress with its Services, JSON, backends on this machine."""
    folder.mkdir()
    for i in range(COUNT):
        made = [synthetic.ingress(i, "kourier", canary=0), *synthetic.backends(i)]
        for item in made:
            if item["kind"] == "EndpointSlice":
                item["endpoints"] = [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}]
                item["ports"][0]["port"] = ports[int(item["metadata"]["name"][-3]) - 1]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
        (folder / f"svc-{i:05d}.json").write_bytes(text)


async def run() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        named_backends() as backends,
        tempfile.TemporaryFile() as out,
    ):
        files = Path(folder, "files")
        write(files, backends)
        http, inner, xds = free_ports(3)
        start = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "knet", "gateway", "run", "-f", str(files), "--no-watch",
            "--http", str(http), "--https", "0", "--internal", str(inner), "--xds", f"127.0.0.1:{xds}",
            "--state", str(Path(folder, "state")), "--concurrency", "1", "--log", str(Path(folder, "log")),
            stdout=out, stderr=out,
        )  # fmt: skip
        try:
            first, last = await answered(http)
            print("| what | measured | bar |\n|---|---|---|")
            print(f"| first host answers | {first - start:.1f} s | |")
            print(f"| every 500th host and the last answer | {last - start:.1f} s | 10 s |")
            print(f"| control plane RSS | {Watched(process.pid).rss_mb():.0f} MB | 400 MB |")
        finally:
            process.terminate()
            await process.wait()


async def answered(port: int) -> tuple[float, float]:
    """When the first and when the last of the hosts answered from its backend."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    async with Poller(port) as poller:
        times = []
        for i in (*range(0, COUNT, 500), COUNT - 1):
            poller.ask(f"svc-{i:05d}.default.example.com", "a")
            times.append(await poller.wait(240))
    return times[0], times[-1]


def main() -> None:
    asyncio.run(run())


if __name__ == "__main__":
    main()
