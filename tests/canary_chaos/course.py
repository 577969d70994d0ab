"""A canary is aborted, or its controller killed with -9, at every step under load; every request is accounted for.

The canary itself fails in some of its requests, which is its own doing and is counted apart; of all others none may
fail. Pods, API and Envoy live on (tests/parts.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.steady import Load, exactly, steady
from knet.cli.canary_tell import tell
from knet.kube import resources
from knet.rollout.commands import Command
from parts import PATIENCE_S, Parts, service
from serving_live import Watching, ready

NAME = "hello"
STEPS = (1, 10, 25, 50)
FAILS = 2.0
"""Percent of the canary's requests."""
MOMENTS = ("decided", "served")
ENOUGH = 30
"""Requests of a case at least: some are over in a fifth of a second."""


@dataclass(frozen=True)
class Row:
    """What became of one case. `own` are failures of the canary's program, `lost` all others."""

    what: str
    weight: int
    moment: str
    requests: int
    own: int
    lost: int
    end: str
    good: bool
    seconds: float
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = (self.what, f"{self.weight} %", self.moment, self.requests, self.own, self.lost)
        good = "yes" if self.good and not self.lost else f"NO {self.failed[:3]}"
        return f"| {' | '.join(map(str, words))} | {self.end} | {self.seconds:.1f} | {good} |"


HEAD = (
    "| what | at | when | requests | failed by the canary | failed otherwise | end | s | good |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


class Scene:
    """One Service, one Canary, one revision after the other."""

    def __init__(self, cluster: Parts, rate: float, steps: Sequence[int] = STEPS) -> None:
        self.cluster, self.rate, self.steps = cluster, rate, steps
        self.watching = Watching(cluster.client, PATIENCE_S)
        self.version = 0
        self.stable = "v0"

    def load(self) -> Load:
        return Load(self.cluster.http, f"{NAME}.default.localhost", address=self.cluster.address)

    async def begin(self) -> None:
        """A Service that answers, and a Canary that has taken note of it."""
        client = self.cluster.client
        await client.apply(resources.KSERVICES, service(NAME, "v0"), manager="kubectl")
        await self.watching.until(resources.KSERVICES, NAME, ready)
        body = {
            "apiVersion": "knet.dev/v1alpha1",
            "kind": "Canary",
            "metadata": {"name": NAME, "namespace": "default"},
            "spec": {
                "service": NAME,
                "steps": [{"weight": w} for w in self.steps],
                "interval": "3s",
                "analysis": {"enabled": False},
            },
        }
        await client.apply(resources.CANARIES, body, manager="kubectl")
        named = lambda item: (item["spec"].get("traffic") or [{}])[0].get("revisionName")  # noqa: E731
        await self.watching.until(resources.KSERVICES, NAME, lambda s: named(s) and ready(s))

    async def next(self) -> str:
        """A new revision; its version."""
        self.version += 1
        made = f"v{self.version}"
        await self.cluster.client.apply(resources.KSERVICES, service(NAME, made, FAILS), manager="kubectl")
        return made

    async def at(self, weight: int, moment: str, revision: int) -> dict[str, Any]:
        """The Canary once its step to `weight` is decided, or served; it may have gone further since."""

        def there(item: dict[str, Any]) -> bool:
            status = item.get("status") or {}
            if not str(status.get("canaryRevision", "")).endswith(f"-{revision + 1:05}"):
                return False
            found = status.get("weight", 0)
            ended = status.get("phase") in ("Succeeded", "RolledBack")
            return ended or found > weight or (found == weight and (moment == "decided" or status["settled"]))

        return await self.watching.until(resources.CANARIES, NAME, there)

    async def ended(self, revision: int) -> dict[str, Any]:
        def over(item: dict[str, Any]) -> bool:
            status = item.get("status") or {}
            mine = str(status.get("canaryRevision", "")).endswith(f"-{revision + 1:05}")
            return (
                mine
                and status["phase"] in ("Succeeded", "RolledBack", "Stopped", "Held")
                and status["settled"]
            )

        item = await self.watching.until(resources.CANARIES, NAME, over)
        await self.watching.until(resources.KSERVICES, NAME, ready)
        return item

    async def aborted(self, weight: int, moment: str) -> Row:
        """A rollout that is aborted at a step: everything goes back to the revision before."""
        begun = time.monotonic()
        async with steady(self.load(), self.rate) as sent:
            version = await self.next()
            found = await self.at(weight, moment, self.version)
            reached = found["status"]["weight"]
            await tell(self.cluster.client, NAME, "default", Command("abort", who="chaos"))
            item = await self.ended(self.version)
            await self._enough(sent)
            status = item["status"]
            after = await exactly(self.load(), 100)
        right = status["phase"] == "RolledBack" and status["reason"] == "Aborted"
        good = right and reached == weight and after.of(self.stable) == 100
        return self._row("abort", weight, moment, sent, version, str(status["reason"]), begun, good=good)

    async def killed(self, moment: str) -> list[Row]:
        """One rollout whose controller is killed at every step: it ends promoted, each step in its turn."""
        version = await self.next()
        rows = []
        for weight in (*self.steps, 100):
            begun = time.monotonic()
            async with steady(self.load(), self.rate) as sent:
                found = await self.at(weight, moment, self.version)
                reached = found["status"]["weight"]
                for replica in self.cluster.replicas.values():
                    await replica.again()
                later = next((w for w in (*self.steps, 100) if w > weight), None)
                if later is None:
                    item = await self.ended(self.version)
                else:
                    item = await self.at(later, "decided", self.version)
                await self._enough(sent)
            status = item["status"]
            rows.append(
                self._row(
                    "kill -9",
                    weight,
                    moment,
                    sent,
                    version,
                    str(status["reason"]),
                    begun,
                    good=reached == weight,
                )
            )
        async with asyncio.timeout(PATIENCE_S):
            while (after := await exactly(self.load(), 100)).of(version) != 100:  # noqa: ASYNC110 - the gateway tells nobody
                await asyncio.sleep(0.1)
        weights = [
            h["weight"]
            for h in status["history"]
            if h["reason"] == "Step" and h["canary"] == status["canaryRevision"]
        ]
        assert status["phase"] == "Succeeded", status
        assert weights == [*self.steps, 100], status["history"]
        assert after.lost() == 0
        self.stable = version
        return rows

    async def _enough(self, sent: Load) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while sent.total < ENOUGH:  # noqa: ASYNC110 - a load tells nobody of its requests
                await asyncio.sleep(1 / self.rate)

    def _row(
        self,
        what: str,
        weight: int,
        moment: str,
        sent: Load,
        version: str,
        end: str,
        begun: float,
        *,
        good: bool,
    ) -> Row:
        bad = {who: n for who, n in sent.answers.items() if who[1] != 200}
        fails = (version, self.stable) if self.stable != "v0" else (version,)  # a promoted one fails on
        own = sum(n for (who, status), n in bad.items() if who in fails and status == 500)
        lost = sum(bad.values()) - own
        return Row(
            what,
            weight,
            moment,
            sent.total,
            own,
            lost,
            end,
            good,
            time.monotonic() - begun,
            tuple(sent.failed),
        )
