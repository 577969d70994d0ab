"""`knet up` killed with SIGKILL at random moments: nothing acknowledged is lost, nothing is left, it converges."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from crash.ledger import NAMESPACE, Ledger, Scaler, Writer, found
from knet.kube.client import Client
from knet.kube.resources import DEPLOYMENTS, INGRESSES, PODS, SERVICES
from knet.local.pods.images import Images, samples
from knet.text import yaml
from up import Up

EXAMPLE = Path(__file__).parents[2] / "examples" / "embedded" / "greeter.yaml"
HOST = "greeter.default.localhost"
WRITERS = 6
FIRST = 3
"""Starts on an empty directory that are killed before the rounds."""
PATIENCE_S = 30.0
KINDS = {r.kind: r for r in (DEPLOYMENTS, SERVICES, INGRESSES)}
IMAGE = "crash.test/greeter"
DAEMON = 'setsid sleep 3600 & exec "$@"'
"""Leaves a process in a session of its own, as daemons do."""


@dataclass
class Figures:
    """What the rounds came to. Times are in seconds, one for each round."""

    rounds: int = 0
    early: int = 0
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    killed: int = 0
    ready: list[float] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    converged: list[float] = field(default_factory=list)

    def lines(self, ledger: Ledger) -> list[str]:
        verbs = ", ".join(f"{n} {verb}" for verb, n in sorted(ledger.acknowledged.items()))
        return [
            f"rounds: {self.rounds}, of them killed before it was ready: {self.early}",
            f"acknowledged writes: {ledger.acknowledged.total()} ({verbs}); without an answer: {ledger.unanswered}",
            f"lost: {len(self.lost)}",
            f"processes at the moment of the kill: {self.killed}; left behind: {len(self.left)}",
            f"all of them gone without a new start: {_spread(self.gone)}",
            f"from exec to ready: {_spread(self.ready)}",
            f"from ready to converged (pods ready, Envoy answers): {_spread(self.converged)}",
        ]


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never measured"
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2]:.2f} s, most {ordered[-1]:.2f} s"


class Crash:
    """A cluster with a Deployment behind a KIngress, and writers, killed again and again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.up = Up(folder / "state")
        self.figures = Figures()
        self.ledger = Ledger()
        self._chance = random.Random(seed)
        self._writers = [Writer(self.ledger, n, random.Random(seed + n)) for n in range(1, WRITERS + 1)]
        self._scaler = Scaler(DEPLOYMENTS, "greeter", random.Random(seed), 2)

    async def run(self, rounds: int, heard=lambda _: None) -> Figures:
        """All rounds, and an orderly end. `heard` is told of each."""
        await self._prepare()
        try:
            for number in range(1, rounds + 1):
                await self._round()
                heard(number)
            assert await self.up.end(signal.SIGINT) == 0
            self._look_for_left(0)
        finally:
            if self.up.process is not None:
                await self.up.end(signal.SIGKILL)
        return self.figures

    async def _prepare(self) -> None:
        """The first starts of all are killed too: what they have half made must not be in the way."""
        for _ in range(FIRST):
            await self.up.launch()
            await asyncio.sleep(self._chance.uniform(0.1, 0.8))
            self.figures.early += not self.up.is_ready
            await self._kill()
        words = samples()["hello"].command
        Images(self.up.state / "images.yaml").add(IMAGE, ("sh", "-c", DAEMON, "sh", *words))
        await self._start()
        text = EXAMPLE.read_text().replace("ghcr.io/knative/helloworld-go", IMAGE)
        async with await self.up.client() as client:
            for document in yaml.load_all(text.encode()):
                item = document.data
                item["metadata"]["namespace"] = NAMESPACE
                await client.apply(KINDS[item["kind"]], item, manager="crash")
        await self._check()

    async def _round(self) -> None:
        """Writes until the kill; then a start, killed early in some rounds; then everything is looked at."""
        async with await self.up.client() as client:
            writing = [asyncio.create_task(w.run(client)) for w in (*self._writers, self._scaler)]
            await asyncio.sleep(self._chance.uniform(0, 1))
            await self._kill()
            await asyncio.gather(*writing)
        if self._chance.random() < 0.3:
            await self.up.launch()
            await asyncio.sleep(self._chance.uniform(0, 1))
            self.figures.early += not self.up.is_ready
            await self._kill()
        await self._start()
        await self._check()
        self.figures.rounds += 1

    async def _start(self) -> None:
        began = time.monotonic()
        await self.up.start()
        self.figures.ready.append(time.monotonic() - began)
        self._look_for_left(_started(self.up.process.pid))

    def _look_for_left(self, since: int) -> None:
        """Whatever is older than the present run is of an earlier one."""
        for pid, line in self.up.processes().items():
            with contextlib.suppress(OSError):  # it ends just now
                if _started(pid) < since or not since:
                    self.figures.left.append(line)

    async def _kill(self) -> None:
        others = self.up.processes().keys() - {self.up.process.pid}
        self.figures.killed += len(others)
        began = time.monotonic()
        await self.up.end(signal.SIGKILL)
        if self._chance.random() < 0.5:  # else the next start finds what is ending
            while any(_runs(pid) for pid in others):
                assert time.monotonic() - began < PATIENCE_S, others
                await asyncio.sleep(0)
            self.figures.gone.append(time.monotonic() - began)

    async def _check(self) -> None:
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(await self.up.client())
            self.figures.lost += self.ledger.lost(*await found(client))
            async with asyncio.timeout(PATIENCE_S):
                await self._rolled_out(client)
                await self._answered(client)
        self.figures.converged.append(time.monotonic() - began)

    async def _rolled_out(self, client: Client) -> None:
        async with aclosing(client.watch(DEPLOYMENTS, NAMESPACE, fields="metadata.name=greeter")) as events:
            async for event in events:
                wanted = event.object["spec"]["replicas"]
                if wanted not in self._scaler.may_be:
                    self.figures.lost.append(f"replicas are {wanted}, not {self._scaler.may_be}")
                    self._scaler.may_be = {wanted}
                if _is_rolled_out(event.object):
                    self._scaler.may_be = {wanted}
                    return

    async def _answered(self, client: Client) -> None:
        """Asks the gateway until every pod that there is has answered: statuses may be of the last run."""
        seen: set[str] = set()
        async with httpx.AsyncClient(trust_env=False, timeout=5) as asker:
            while not seen or not await _pods(client) <= seen:
                with contextlib.suppress(httpx.TransportError):
                    about = {"host": HOST, "accept": "application/json"}
                    answer = await asker.get(f"http://127.0.0.1:{self.up.http}/", headers=about)
                    if answer.status_code == 200:
                        seen.add(answer.json()["pod"])


def _is_rolled_out(item: dict) -> bool:
    status, wanted = item.get("status") or {}, item["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    return status.get("observedGeneration") == item["metadata"]["generation"] and counts == {wanted}


async def _pods(client: Client) -> set[str]:
    pods = (await client.list(PODS, NAMESPACE, labels="app=greeter")).items
    return {pod["metadata"]["name"] for pod in pods}


def _started(pid: int) -> int:
    """When a process began, in ticks since boot (proc(5), stat, field 22). Raises OSError."""
    text = (Path("/proc") / str(pid) / "stat").read_text()
    return int(text.rpartition(")")[2].split()[19])


def _runs(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
