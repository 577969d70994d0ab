"""Kills parts of `knet up` under load and counts what is lost: `python -m tests.chaos [ROUNDS]` (3 by default).

Two services: `busy` has requests all the time; `held` has one request that takes long, over and over. In each round
the autoscaler, the activator, the activator's Envoy, a pod and at last the whole cluster are killed with SIGKILL, one
after the other. Lost may be only what was inside what was killed, or sent to it before anybody could know: no request
that was due later than that (the cluster's own gateway dies with it: there it is what was sent until it is there
again). Meanwhile no pod of a revision with a request may be taken away. Exit status 1 if any of this is not so.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.coldstart import Cluster
from bench.load import Load
from knet.kube import resources

RATE = 50
SEEN = 0.25
"""Seconds within which a busy machine knows that a connection has ended."""
SLOW = """
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(8)
        body = os.environ["HOSTNAME"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
server.daemon_threads = True
server.serve_forever()
"""


class Chaos(Cluster):
    """A cluster that is killed in parts."""

    async def deploy(self, name: str, **notes: str) -> None:
        """A service of the program above."""
        container = {"image": "knet.dev/slow", "command": [sys.executable, "-c", SLOW]}
        annotations = {"autoscaling.knative.dev/window": "6s", **notes}
        template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"template": template}}
        await self.client.apply(resources.KSERVICES, body, manager="chaos")

    async def kill(self, what: str) -> float:
        """Kills it; when."""
        if what == "pod":
            pids = self.pods("busy")
            os.kill(pids[0], signal.SIGKILL)
        else:
            os.kill(self.processes()[what], signal.SIGKILL)
        return time.perf_counter()

    def pods(self, service: str) -> list[int]:
        """The queue-proxies' Envoys of a service's pods: with them a pod takes no request any longer."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"K_SERVICE={service}\0".encode() in environment and b"-c\0" in command:
                found.append(int(entry.name))
        return sorted(found)

    async def slow(self) -> int:
        """One request that takes eight seconds, longer than the service's window."""
        headers = {"host": "held.default.localhost"}
        async with self.session.get(f"http://127.0.0.1:{self.http}/slow", headers=headers) as answer:
            await answer.read()
            return answer.status

    async def status(self, name: str) -> int:
        try:
            return (await self.get(name))[0]
        except OSError:
            return 0


def said(kind: str, load: Load, inside: int, killed: float) -> bool:
    """Prints what was lost; whether that is all right."""
    late = [at - killed for at in load.result.bad_at if at > killed + SEEN]
    good = not late and load.result.bad <= inside + SEEN * RATE
    print(  # noqa: T201 - a command's output
        f"| {kind} | {load.result.sent} | {inside} | {load.result.bad} | {len(late)} | {'yes' if good else 'NO'} |",
        flush=True,
    )
    return good


async def one(cluster: Chaos, kind: str) -> bool:
    """Kills one part under load."""
    async with Load(cluster.http, ["busy.default.localhost"], RATE) as load:
        slow = asyncio.create_task(cluster.slow())
        await load.more(RATE)
        inside = load.under_way
        killed = await cluster.kill(kind)
        await load.more(RATE * 8)
        status = await slow
    good = said(kind, load, inside, killed)
    if status != 200 and kind in ("autoscaler", "activator"):
        print(f"the long request was answered {status}")  # noqa: T201 - a command's output
        return False
    return good


async def control_plane(cluster: Chaos) -> bool:
    """Kills `knet up` itself; the next start has to serve again, and what was acknowledged is there."""
    pid = json.loads((cluster.state / "ready.json").read_text())["pid"]
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    await cluster.client.__aexit__(None, None, None)
    await cluster.up()
    async with asyncio.timeout(120):
        while (await cluster.status("busy")) != 200:  # noqa: ASYNC110 - pods start again
            await asyncio.sleep(0.1)
    print(f"| knet up | | | | serves again after {time.perf_counter() - began:.1f} s | yes |", flush=True)  # noqa: T201 - a command's output
    return True


async def run(rounds: int) -> bool:
    good = True
    with tempfile.TemporaryDirectory(prefix="kc") as folder:
        async with Chaos(Path(folder) / "s") as cluster:
            await cluster.deploy("busy", **{"autoscaling.knative.dev/min-scale": "2"})
            await cluster.deploy("held")
            await cluster.ready(["busy", "held"])
            print("| killed | requests | under way | lost | lost later | good |\n|---|---|---|---|---|---|")  # noqa: T201 - a command's output
            for _ in range(rounds):
                for kind in ("autoscaler", "activator", "activator's Envoy", "pod"):
                    good &= await one(cluster, kind)
                good &= await control_plane(cluster)
    return good


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    sys.exit(0 if asyncio.run(run(rounds)) else 1)


if __name__ == "__main__":
    main()
