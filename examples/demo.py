"""`make demo`: a Service on this machine, from zero to a crowd, through a canary, and back to zero.

Starts `knet up` on free ports with a state of its own, uses it as anybody would, and ends it. Everything it prints was
measured in this run; it ends with status 1 if anything was not as it should be, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.errors import AlreadyExists
from knet.kube.resources import CONFIG_MAPS, ENDPOINTS, PODS, Resource
from knet.local.pods.node import family
from knet.local.pods.reaper import marked
from knet.text import yaml

SERVICES = Resource("serving.knative.dev", "v1", "services", "Service")
SLOW = Path(__file__).parent / "services" / "slow.yaml"
HOST = "slow.default.localhost"
PHASES = {
    "decide": "until a pod has an address: autoscaler, Deployment, pod",
    "start": "until its queue-proxy takes connections",
    "ready": "until the program in it answers its probe",
    "first_byte": "until the first byte of the answer",
}
PATIENCE = 60.0
USERS, SECONDS, LONGEST, SAMPLE = 40, 8, 25, 1000


class Failed(Exception):
    """Something was not as it should be."""


class Demo:
    """One run on one cluster."""

    def __init__(self, console: Console, state: Path) -> None:
        self.say = console.print
        self.state = state
        ports = free_ports(4)
        self.port = ports[1]
        names = ("--api", "--http", "--https", "--internal")
        self.flags = [f"{name}={port}" for name, port in zip(names, ports, strict=True)]
        self.began = time.monotonic()
        self.answers: collections.Counter[int] = collections.Counter()
        self.client: Client
        self.session: aiohttp.ClientSession

    def step(self, text: str) -> None:
        self.say(f"\n[bold]{text}[/bold]  [dim]{time.monotonic() - self.began:.0f} s[/dim]")

    async def up(self) -> asyncio.subprocess.Process:
        self.step(
            "1. knet up: an API, the controllers, autoscaler, activator and a gateway, without a cluster"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "knet", "up", "--state", str(self.state), *self.flags, "--concurrency=1",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(PATIENCE):
            while b"\n  health" not in said:
                line = await process.stdout.readline()
                if not line:
                    raise Failed(f"knet up has ended: {said.decode()}")
                said += line
        self.drained = asyncio.create_task(process.stdout.read())
        self.say(f"  ready after {json.loads((self.state / 'ready.json').read_text())['seconds']} s")
        return process

    async def run(self) -> None:
        async with Client(await from_kubeconfig(self.state / "kubeconfig")) as self.client:
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=30)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self.session:
                await self.configure()
                await self.apply()
                await self.from_zero("3. Nobody asks, so it goes to zero; then the first request")
                await self.crowd()
                await self.canary()
                await self.promote()
                await self.from_zero("7. Back to zero, and the first request again")

    async def configure(self) -> None:
        """Nobody wants to wait here for the half minute that a Service is kept by default."""
        self.say("  scale-to-zero-grace-period: 6s in config-autoscaler (30s by default), window: 6s (60s)")
        data = {"scale-to-zero-grace-period": "6s"}
        meta = {"name": "config-autoscaler", "namespace": "knative-serving"}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        try:
            await self.client.create(CONFIG_MAPS, made, meta["namespace"])
        except AlreadyExists:
            await self.client.patch(CONFIG_MAPS, meta["name"], {"data": data}, meta["namespace"])

    async def apply(self) -> None:
        self.step("2. knet apply -f examples/services/slow.yaml")
        began = time.monotonic()
        await self.client.create(SERVICES, yaml.load_all(SLOW.read_bytes())[0].data, "default")
        await self.ready("slow-00001")
        status, text, _ = await self.get()
        expect(status == 200, f"the first answer is {status}: {text}")
        self.say(f"  {text.strip()!r} from http://{HOST}:{self.port} {time.monotonic() - began:.2f} s later")

    async def from_zero(self, title: str) -> None:
        self.step(title)
        began = time.monotonic()
        await until(self.pods, lambda pods: not pods, "no pod is left")
        self.say(f"  the last pod went {time.monotonic() - began:.1f} s later")
        status, text, seconds = await self.get("?ms=0")
        expect(status == 200, f"the answer is {status}: {text}")
        self.say(f"  {text.strip()!r} after {seconds * 1000:.0f} ms, of which")
        phases = await self.metrics("activator-service", "metrics", "knet_cold_start_last_seconds")
        revision = text.split()[0]
        for phase, words in PHASES.items():
            took = next(v for k, v in phases.items() if f'"{revision}"' in k and f'"{phase}"' in k)
            self.say(f"  {took * 1000:7.0f} ms {phase:<11}[dim]{words}[/dim]")

    async def crowd(self) -> None:
        self.step(f"4. {USERS} users at once; a pod is meant for ten (each request takes 200 ms)")
        began, before, over = time.monotonic(), self.answers.copy(), asyncio.Event()
        users = asyncio.gather(*(self.user(over) for _ in range(USERS)))
        most, panicked, seconds = 0, False, 0.0
        self.say("  [dim]  s   concurrency over 6 s, 1 s   desired  ready  panic[/dim]")
        while seconds < SECONDS or (seconds < LONGEST and not (panicked and most > 1)):
            scale = await self.scale("slow-00001")
            ready = scale.get("ready_pods") or 0
            stable, panic = (window["average"] or 0.0 for window in scale["windows"])
            on = scale["panic"]["on"]
            most, panicked = max(most, ready), panicked or on
            row = f"  {seconds:5.1f} {stable:z20.1f} {panic:z6.1f} {scale['desired']:9}{ready:7}"
            self.say(f"{row}   {'yes' if on else ''}")
            await asyncio.sleep(1)
            seconds = time.monotonic() - began
        over.set()
        times = sorted(one for found in await users for one in found)
        made = self.answers - before
        self.say(
            f"  {len(times)} requests in {seconds:.0f} s, {made.total() - made[200]} failed; "
            f"p50 {times[len(times) // 2] * 1000:.0f} ms, p99 {times[len(times) * 99 // 100] * 1000:.0f} ms"
        )
        expect(made.total() == made[200], f"not all answers are 200: {dict(made)}")
        expect(most > 1, "it never had more than one pod")
        expect(panicked, "it never panicked")

    async def user(self, over: asyncio.Event) -> list[float]:
        times = []
        while not over.is_set():
            times.append((await self.get("?ms=200"))[2])
        return times

    async def canary(self) -> None:
        self.step("5. A second revision gets 10 %")
        await self.change(
            template={"spec": {"containers": [self.container("two")]}},
            traffic=[
                {"revisionName": "slow-00001", "percent": 90},
                {"revisionName": "slow-00002", "percent": 10},
            ],
        )
        await self.ready("slow-00002")
        await self.seen("two")
        found = await self.sample(SAMPLE)
        share = found["slow-00002"] / SAMPLE
        self.say(f"  of {SAMPLE} requests {found['slow-00002']} went to slow-00002: {share:.1%}")
        expect(0.06 < share < 0.14, f"{share:.1%} is not 10 %")  # four standard deviations

    async def promote(self) -> None:
        self.step("6. It gets everything")
        began = time.monotonic()
        await self.change(traffic=[{"latestRevision": True, "percent": 100}])
        await until(
            lambda: self.sample(20), lambda found: set(found) == {"slow-00002"}, "all are slow-00002's"
        )
        self.say(f"  served {time.monotonic() - began:.2f} s after the change (twenty requests in a row)")
        found = await self.sample(200)
        self.say(f"  of 200 requests {found['slow-00002']} went to slow-00002")
        expect(found["slow-00002"] == 200, f"answers came from {dict(found)}")

    async def sample(self, number: int) -> collections.Counter[str]:
        """Who answers so many requests, twenty at once."""
        found: collections.Counter[str] = collections.Counter()
        for begin in range(0, number, 20):
            for status, text, _ in await asyncio.gather(
                *(self.get("?ms=0") for _ in range(begin, begin + 20))
            ):
                expect(status == 200, f"an answer is {status}: {text}")
                found[text.split()[0]] += 1
        return found

    async def seen(self, word: str) -> None:
        """Waits until the gateway leads to a revision."""
        await until(lambda: self.get("?ms=0"), lambda answer: word in answer[1], f"{word!r} answers")

    async def get(self, query: str = "") -> tuple[int, str, float]:
        """(status, text, seconds); status 0 if there was no answer."""
        began = time.monotonic()
        try:
            url = f"http://127.0.0.1:{self.port}/{query}"
            async with self.session.get(url, headers={"Host": HOST}) as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            status, text = 0, repr(error)
        self.answers[status] += 1
        return status, text, time.monotonic() - began

    async def pods(self) -> list[str]:
        found = await self.client.list(PODS, "default")
        return [one["metadata"]["name"] for one in found.items]

    async def ready(self, revision: str) -> None:
        """Waits until the Service is Ready with a revision."""

        def is_ready(service: dict[str, Any]) -> bool:
            status = service.get("status") or {}
            conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
            latest = status.get("observedGeneration") == service["metadata"]["generation"]
            return (
                latest and conditions.get("Ready") == "True" and status["latestReadyRevisionName"] == revision
            )

        await until(lambda: self.client.get(SERVICES, "slow", "default"), is_ready, f"{revision} is Ready")

    async def change(self, **spec: Any) -> None:
        await self.client.patch(SERVICES, "slow", {"spec": spec}, "default")

    def container(self, target: str) -> dict[str, Any]:
        spec = yaml.load_all(SLOW.read_bytes())[0].data["spec"]["template"]["spec"]
        return {**spec["containers"][0], "env": [{"name": "TARGET", "value": target}]}

    async def scale(self, revision: str) -> dict[str, Any]:
        """The autoscaler's last decision (knet explain scale)."""
        where = await self.place("autoscaler", "http")
        async with self.session.get(f"http://{where}/scale/default/{revision}") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def metrics(self, service: str, port: str, name: str) -> dict[str, float]:
        where = await self.place(service, port)
        async with self.session.get(f"http://{where}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(name))
        return {key: float(value) for key, value in pairs}

    async def place(self, service: str, port: str) -> str:
        found = await self.client.get(ENDPOINTS, service, "knative-serving")
        subset = found["subsets"][0]
        number = next(one["port"] for one in subset["ports"] if one["name"] == port)
        return f"{subset['addresses'][0]['ip']}:{number}"


async def until(look: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], words: str) -> None:
    """Looks until it holds. Raises Failed."""
    found = None
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds(found := await look()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Failed(f"after {PATIENCE:.0f} s not: {words}; it is {str(found)[:500]}") from None


def expect(holds: bool, words: str) -> None:
    if not holds:
        raise Failed(words)


def free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


async def main() -> int:
    console = Console(highlight=False, no_color="NO_COLOR" in os.environ, width=110)
    with tempfile.TemporaryDirectory(prefix="knet-demo-") as folder:
        demo = Demo(console, Path(folder) / "state")
        process, problem = None, ""
        stopping = asyncio.current_task()
        assert stopping is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.cancel)
        try:
            process = await demo.up()
            await demo.run()
        except Failed as error:
            problem = str(error)
        except asyncio.CancelledError:
            problem = "interrupted"
        finally:
            if process is not None:
                demo.step("8. knet down")
                if process.returncode is None:
                    process.send_signal(signal.SIGINT)
                status = await process.wait()
                left = list(marked(family(demo.state / "pods")))
                console.print(f"  ended with status {status}; {len(left)} processes are left")
                problem = problem or ("" if status == 0 and not left else "it did not end as it should")
        total = demo.answers.total()
        failed = total - demo.answers[200]
        console.print(
            f"\n{total} requests in all, {failed} without a 200; {time.monotonic() - demo.began:.0f} s"
        )
    if problem:
        console.print(f"[red]failed: {problem}[/red]")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
