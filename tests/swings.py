"""Changing load and deleted pods in `knet up`, counted: `python -m tests.swings [COURSE ...]` (all by default).

A service whose requests take 0.3 s is asked open-loop by a rate that changes: a step, a spike, a sawtooth. Beside it every
decision of the autoscaler is read with its inputs, and how many pods there are. It has to hold that no request fails, that
each decision is what the rules make of the averages that it was made from, that the averages are those of the load that was
there, and that the pods come to what is wanted, up and down. `deletion`: pods of a service with two are deleted under load.
Exit status 1 if any of this is not so.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load import Load, Result
from knet.kube import resources
from tests.chaos import Chaos

TAKES_S, TARGET, LOOK_S = 0.3, 5, 0.25
PATIENCE_S = 12.0
"""A wish that has stood so long has to have come true: a pod that goes drains first, and machines are busy."""
PROGRAM = f"""
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        time.sleep({TAKES_S})
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 1024
server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
server.daemon_threads = True
server.serve_forever()
"""
COURSES: dict[str, tuple[tuple[float, float], ...]] = {
    "step": ((20, 15), (70, 20), (20, 25)),
    "spike": ((10, 12), (100, 3), (10, 25)),
    "sawtooth": ((10, 4), (30, 4), (50, 4), (70, 4)) * 3,
}
"""(requests a second, seconds), one after the other."""


@dataclass
class Seen:
    """What was read beside a load: (when, decision) and (when, wanted, ready)."""

    decisions: dict[float, dict[str, Any]] = field(default_factory=dict)
    pods: list[tuple[float, int, int]] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Decisions that are not what the rules make of their inputs (facts 11 to 14 of facts/serving.md)."""
        found = []
        for at, said in self.decisions.items():
            stable, panic = (window["average"] for window in said["windows"])
            if not said["valid"] or stable is None:
                continue
            counts = [_pods(value, said["ready_pods"]) for value in (stable, panic)]
            over = (
                math.ceil(panic / said["target"]) / max(said["ready_pods"], 1) >= said["panic"]["threshold"]
            )
            if over and not said["panic"]["on"]:
                found.append(f"{at:.1f}: no panic though {panic:.1f} at {said['ready_pods']} pods")
            wanted = said["panic"]["most"] if said["panic"]["on"] else counts[0]
            if said["desired"] != wanted or (said["panic"]["on"] and wanted < max(counts)):
                found.append(f"{at:.1f}: {said['desired']} and not {wanted} of {stable:.2f}, {panic:.2f}")
        return found

    def late(self) -> list[str]:
        """Wishes that stood for longer than `PATIENCE_S` and had not come true."""
        found, since, before = [], 0.0, -1
        for at, wanted, ready in self.pods:
            if wanted != before or ready == wanted:
                since, before = at, wanted
            elif at - since > PATIENCE_S:
                found.append(f"{at:.1f}: {ready} pods, {wanted} wanted for {at - since:.1f} s")
        return found

    def lags(self, sign: int) -> list[float]:
        """How long it took from a wish for more (1) or fewer (-1) pods until they were there."""
        found: list[float] = []
        asked: float | None = None
        for at, wanted, ready in self.pods:
            if (wanted - ready) * sign > 0:
                asked = at if asked is None else asked
            elif asked is not None:
                found.append(at - asked)
                asked = None
        return found


def _pods(average: float, ready: int) -> int:
    pods = max(ready, 1)
    return min(max(math.ceil(average / (TARGET * 0.7)), pods // 2), 1000 * pods)


class Swings(Chaos):
    """A cluster with a load that changes."""

    async def serve(self, name: str, **notes: str) -> None:
        container = {"image": "knet.dev/slow", "command": ["python3", "-uISc", PROGRAM]}
        given = {"window": "6s", "target": str(TARGET), "min-scale": "1", "max-scale": "8", **notes}
        annotations = {f"autoscaling.knative.dev/{key}": value for key, value in given.items()}
        template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"template": template}}
        await self.client.apply(resources.KSERVICES, body, manager="swings")

    async def decided(self, revision: str) -> dict[str, Any]:
        found = await self.client.get(resources.ENDPOINTS, "autoscaler", "knative-serving")
        (subset,) = found["subsets"]
        at = f"{subset['addresses'][0]['ip']}:{subset['ports'][0]['port']}"
        async with self.session.get(f"http://{at}/scale/default/{revision}") as answer:
            made: dict[str, Any] = await answer.json()
            return made

    async def ready_pods(self, revision: str) -> int:
        found = await self.client.get(resources.POD_AUTOSCALERS, revision, "default")
        return int((found.get("status") or {}).get("actualScale") or 0)

    async def watch(self, revision: str, seen: Seen) -> None:
        """Reads until cancelled."""
        while True:
            now, said = time.time(), await self.decided(revision)
            if said["decided"] is not None:
                seen.decisions.setdefault(round(now - said["decided"], 0), said)
            wanted = said.get("outcome", {}).get("want")
            if wanted is not None and wanted >= 0:
                seen.pods.append((time.monotonic(), wanted, await self.ready_pods(revision)))
            await asyncio.sleep(LOOK_S)

    async def load(self, host: str, parts: tuple[tuple[float, float], ...]) -> list[Result]:
        """Each part begins when its time has come, whatever is under way of the one before."""
        found, ending = [], []
        for rate, seconds in parts:
            one = await Load(self.http, [host], rate).__aenter__()
            await asyncio.sleep(seconds)
            ending.append(asyncio.create_task(one.__aexit__()))
            found.append(one.result)
        await asyncio.gather(*ending)
        return found


def say(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)  # noqa: T201 - a command's output


async def swing(cluster: Swings, name: str) -> bool:
    """One course."""
    seen = Seen()
    watching = asyncio.create_task(cluster.watch("swing-00001", seen))
    found = await cluster.load("swing.default.localhost", COURSES[name])
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    sent, bad = sum(one.sent for one in found), sum(one.bad for one in found)
    times = sorted(t for one in found for t in one.latencies)
    steady = [rate * TAKES_S for rate, seconds in COURSES[name] if seconds >= 10]
    heard = [said["windows"][0]["average"] or 0.0 for said in seen.decisions.values()]
    far = [
        f"{s:.1f} were there, none near it was heard"
        for s in steady
        if not any(abs(h - s) < 0.15 * s for h in heard)
    ]
    problems = [*seen.wrong(), *seen.late(), *far]
    lags = [f"{max(seen.lags(sign), default=0):.1f}" for sign in (1, -1)]
    pods = f"{min(r for _, _, r in seen.pods)} to {max(r for _, _, r in seen.pods)}"
    quantiles = (f"{times[int(len(times) * q)] * 1e3:.0f}" for q in (0.5, 0.99))
    say(
        name,
        sent,
        bad,
        *quantiles,
        pods,
        len(seen.decisions),
        *lags,
        "yes" if not bad and not problems else "NO",
    )
    for line in (*problems, *({str(one) for one in found if one.bad})):
        print(line)  # noqa: T201 - a command's output
    return not bad and not problems


async def deletion(cluster: Swings) -> bool:
    """Pods are deleted, as kubectl does it, while requests come."""
    seen: Counter[str] = Counter()
    async with Load(cluster.http, ["kept.default.localhost"], 50) as load:
        for _ in range(4):
            await load.more(100)
            pods = await cluster.client.list(
                resources.PODS, "default", labels="serving.knative.dev/service=kept"
            )
            there = [pod for pod in pods.items if not pod["metadata"].get("deletionTimestamp")]
            seen[there[0]["metadata"]["name"]] += 1
            await cluster.client.delete(resources.PODS, there[0]["metadata"]["name"], "default")
        await load.more(200)
    print(f"{len(seen)} pods of two deleted, one after the other: {load.result}", flush=True)  # noqa: T201
    return not load.result.bad


async def run(courses: list[str]) -> bool:
    good = True
    with tempfile.TemporaryDirectory(prefix="ks") as folder:
        async with Swings(Path(folder) / "s") as cluster:
            await cluster.serve("swing")
            await cluster.serve("kept", **{"min-scale": "2"})
            await cluster.ready(["swing", "kept"])
            if "deletion" in courses:
                good &= await deletion(cluster)
            say(
                "load",
                "requests",
                "failed",
                "p50 ms",
                "p99 ms",
                "pods",
                "decisions",
                "s until more",
                "s until fewer",
                "good",
            )
            say(*["---"] * 10)
            for name in COURSES:
                if name in courses:
                    good &= await swing(cluster, name)
    return good


def main() -> None:
    asked = sys.argv[1:] or ["deletion", *COURSES]
    if unknown := set(asked) - {"deletion", *COURSES}:
        sys.exit(f"no such course: {', '.join(sorted(unknown))}; there are deletion, {', '.join(COURSES)}")
    sys.exit(0 if asyncio.run(run(asked)) else 1)


if __name__ == "__main__":
    main()
