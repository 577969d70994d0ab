"""Canaries on gateways that are programmed by objects: a real API server, the gateway's own control plane and Envoys,
Serving's controllers, the controller of Canaries, and a real Prometheus that reads the Envoys' statistics.

Pods are programs of this machine, and the test says of them what a node and an autoscaler would.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import serving_live
from bench.steady import Load, exactly, steady
from gateway_live import ObjectGateway, answering, fronting, process
from knet.cli.canary_tell import tell
from knet.control.canary.loop import Canaries
from knet.control.serving.controllers import Serving
from knet.control.serving.revisions import Unresolved
from knet.kube import resources
from knet.rollout.commands import Command
from knet.text import json
from ports import free_ports
from serving_live import Watching, ready

APP = Path(__file__).parent.parent / "bench" / "app.py"
NAME, HOST = "hello", "hello.default.example.com"
STEPS = (10, 50)
PROBES = 100


def missing() -> str:
    """Why there is no Prometheus here; empty if there is one."""
    return "" if shutil.which("prometheus") else "no prometheus here: apt-get install prometheus"


def configure(folder: Path, targets: Sequence[str]) -> None:
    folder.mkdir()
    scraped = {
        "job_name": "envoy",
        "metrics_path": "/stats/prometheus",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": [{"targets": list(targets)}],
    }
    (folder / "prometheus.yml").write_bytes(json.dumps({"scrape_configs": [scraped]}))


@asynccontextmanager
async def prometheus(folder: Path, targets: Sequence[str]) -> AsyncIterator[str]:
    """One that reads /stats/prometheus of some addresses every second; its URL."""
    (port,) = free_ports(1)
    configure(folder, targets)
    command = [
        *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
    ]
    with process("prometheus", command, folder) as started:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(answering, f"{url}/-/ready", started, folder / "prometheus.log")
        yield url


class Shop:
    """One Service, its revisions' programs, and its Canary."""

    def __init__(self, live: ObjectGateway, stack: AsyncExitStack, statistics: dict[str, str]) -> None:
        self.live, self.client, self.stack = live, live.api, stack
        self.statistics = statistics
        self.watching = Watching(live.api, 90)
        self.count = 0

    def load(self) -> Load:
        return Load(self.live.ports.external_http, HOST, address=self.live.host)

    async def revision(self, fail: float = 0) -> str:
        """A new revision and its program; the version that this answers."""
        self.count += 1
        version, (port,) = f"v{self.count}", free_ports(1)
        started = await asyncio.create_subprocess_exec(
            sys.executable, APP, env={"PORT": str(port), "VERSION": version, "FAIL": str(fail)}
        )

        async def ended() -> None:
            started.terminate()
            await started.wait()

        self.stack.push_async_callback(ended)
        name = f"{NAME}-{self.count:05}"
        body = serving_live.service(NAME, f"dev.local/hello:{version}")
        await self.client.apply(resources.KSERVICES, body, manager="kubectl")
        await self.live.apply(*fronting("default", name, self.live.host, {}, http=(80, port)))
        await serving_live.up(self.watching, name)
        return version

    async def begin(self) -> None:
        """The first revision answers, and a Canary has taken note of it."""
        assert await self.revision() == "v1"
        await self.watching.until(resources.KSERVICES, NAME, ready)
        analysis = {"window": "2s", "minRequests": 20, "prometheus": self.statistics}
        analysis |= {"latency": {"maxIncrease": 400, "percentiles": [50]}}
        body = {
            "apiVersion": "knet.dev/v1alpha1",
            "kind": "Canary",
            "metadata": {"name": NAME, "namespace": "default"},
            "spec": {
                "service": NAME,
                "steps": [{"weight": w} for w in STEPS],
                "interval": "4s",
                "analysis": analysis,
            },
        }
        await self.client.apply(resources.CANARIES, body, manager="kubectl")
        named = lambda item: (item["spec"].get("traffic") or [{}])[0].get("revisionName")  # noqa: E731
        await self.watching.until(resources.KSERVICES, NAME, lambda s: named(s) and ready(s))

    async def canary(self, test: Any) -> dict[str, Any]:
        """The status of the Canary once it passes a test for the newest revision."""
        newest = f"{NAME}-{self.count:05}"

        def right(item: dict[str, Any]) -> bool:
            status = item.get("status") or {}
            return status.get("canaryRevision") == newest and bool(test(status))

        item = await self.watching.until(resources.CANARIES, NAME, right)
        status: dict[str, Any] = item["status"]
        return status

    async def answers(self, version: str) -> None:
        """Waits until a version answers all requests; these programs do not tell probes which configuration they came
        by, as queue-proxies do, so that Ready may be early.
        """
        async with asyncio.timeout(30):
            while True:
                sent = await exactly(self.load(), 40)
                assert sent.lost() == 0, sent.failed
                if sent.of(version) == 40:
                    return

    async def ended(self) -> dict[str, Any]:
        return await self.canary(lambda s: s["phase"] in ("Succeeded", "RolledBack") and s["settled"])


@asynccontextmanager
async def shop(live: ObjectGateway, statistics: dict[str, str], class_name: str) -> AsyncIterator[Shop]:
    """Serving and the controller of Canaries on a running gateway, for as long as the context lasts."""
    async with AsyncExitStack() as stack:
        made = Shop(live, stack, statistics)
        await made.watching.configure("config-domain", **{"example.com": ""})
        await made.watching.configure("config-network", **{"ingress-class": class_name})
        loops = (Serving(live.api, resolver=Unresolved()).run(), Canaries(live.api).run())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            await made.begin()
            yield made
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for kind in (resources.CANARIES, resources.KSERVICES, resources.ROUTES):
                await live.api.delete(kind, NAME, "default")
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def scenario(made: Shop) -> None:
    """A good canary is promoted, a bad one goes back with its reason, one without traffic stays where it is."""
    async with steady(made.load(), 60) as sent:
        good = await made.revision()
        status = await made.ended()
    assert status["phase"] == "Succeeded", status
    steps = [h["weight"] for h in status["history"] if h["reason"] == "Step"]
    assert steps == [*STEPS, 100]
    assert sent.lost() == 0, sent.failed
    assert {code for _, code in sent.answers} == {200}
    told = status["analysis"]
    assert told["canary"]["requests"] >= 20
    assert 0 < told["canary"]["p50"] < 10_000
    assert told["stable"]["errors"] == told["canary"]["errors"] == 0
    # no more was counted than was sent, but for probes of the gateways, which go through to the revisions
    assert told["stable"]["requests"] <= sent.of("v1") + PROBES
    assert told["canary"]["requests"] <= sent.of(good) + PROBES
    await made.answers(good)

    async with steady(made.load(), 60) as sent:
        bad = await made.revision(fail=25)
        status = await made.ended()
    assert (status["phase"], status["reason"]) == ("RolledBack", "ErrorRate"), status
    assert "of the canary's requests fail" in status["message"]
    assert status["analysis"]["canary"]["errors"] > 0
    assert sent.lost() == 0, sent.failed
    assert {version for version, code in sent.answers if code != 200} == {bad}
    await made.answers(good)

    await made.revision()
    status = await made.canary(lambda s: s["weight"] == 10 and s["starved"] > 2)
    assert (status["phase"], status["reason"]) == ("Progressing", "FewRequests"), status
    _, after = await tell(made.client, NAME, "default", Command("abort", who="test"))
    assert after.reason == "Aborted"
    await made.ended()
    await made.answers(good)
