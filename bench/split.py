"""The shares that users get while a canary goes from step to step, in `knet up` with real pods and a real Envoy.

20,000 requests at each weight, chi-square against what was asked for; and a steady load over all steps, of which no
request may be lost. `--short`: a tenth of the requests.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.steady import Load, exactly, steady
from bench.xds import free_ports
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig

STEPS = (1, 5, 25, 50, 100)
REQUESTS = 20_000
APP = Path(__file__).with_name("app.py")


def service(version: str) -> dict[str, Any]:
    container = {
        "image": "hello",
        "command": [sys.executable, str(APP)],
        "env": [{"name": "VERSION", "value": version}],
    }
    notes = {"autoscaling.knative.dev/min-scale": "1"}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"template": {"metadata": {"annotations": notes}, "spec": {"containers": [container]}}},
    }


async def knet(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise SystemExit(f"knet {' '.join(arguments)} failed")


async def until(client: Client, kind: Any, test: Any) -> dict[str, Any]:
    async with asyncio.timeout(120):
        async for event in client.watch(kind, "default", fields="metadata.name=hello"):
            if test(event.object):
                return event.object
    raise AssertionError


def is_ready(item: dict[str, Any]) -> bool:
    status = item.get("status") or {}
    good = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return good and status.get("observedGeneration") == item["metadata"]["generation"]


async def run(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        names = ("api", "http", "https", "internal")
        ports = dict(zip(names, free_ports(4), strict=True))
        await knet("up", "--detach", "--state", str(state), *(f"--{n}={p}" for n, p in ports.items()))
        try:
            async with Client(await from_kubeconfig(state / "kubeconfig")) as client:
                await measure(client, state, ports["http"], count)
        finally:
            await knet("down", "--state", str(state))


async def measure(client: Client, state: Path, port: int, count: int) -> None:
    await client.apply(resources.KSERVICES, service("one"), manager="kubectl")
    await until(client, resources.KSERVICES, is_ready)
    spec = {
        "service": "hello",
        "steps": [{"weight": w} for w in STEPS],
        "interval": "24h",
        "analysis": {"enabled": False},
    }
    body = {
        "apiVersion": "knet.dev/v1alpha1",
        "kind": "Canary",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": spec,
    }
    await client.apply(resources.CANARIES, body, manager="kubectl")
    await until(client, resources.KSERVICES, lambda s: s["spec"].get("traffic") and is_ready(s))
    print("| weight | requests | canary | share | chi-square | p | lost |\n|---|---|---|---|---|---|---|")
    async with steady(Load(port, "hello.default.localhost"), 50) as beside:
        await client.apply(resources.KSERVICES, service("two"), manager="kubectl")
        for weight in STEPS:
            test = lambda c, w=weight: c.get("status", {}).get("weight") == w and c["status"]["settled"]  # noqa: E731
            await until(client, resources.CANARIES, test)
            sent = await exactly(Load(port, "hello.default.localhost"), count)
            got, asked = sent.of("two"), count * weight / 100
            rest = count - asked
            chi = (got - asked) ** 2 * (1 / asked + 1 / rest) if rest else float(got != count)
            p = math.erfc(math.sqrt(chi / 2))
            told = (f"{weight} %", count, got, f"{got / count:.2%}", f"{chi:.2f}", f"{p:.2f}", sent.lost())
            print("| " + " | ".join(map(str, told)) + " |", flush=True)
            if weight < 100:
                await knet("canary", "step", "hello", "--state", str(state))
    print(
        f"\nbeside them, over all steps: {beside.total} requests, {beside.lost()} lost {beside.failed[:3] or ''}"
    )


def main() -> None:
    asyncio.run(run(REQUESTS // 10 if "--short" in sys.argv else REQUESTS))
