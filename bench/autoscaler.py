"""The autoscaler's pass over 10,000 revisions, and what surrounds it, in one process.

Bar (issue 6): one decision pass ≤ 5 ms; Go takes 0.22 µs for each revision, 2.2 ms for all (facts/serving.md). The
baseline in the same run is the same rules in plain Python, one revision at a time (the tests' oracle; 500 of them,
scaled up). Beside it: counting the reports of a second, and asking 1,000 pods that answer as queue-proxies do.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import sys
import time
from collections.abc import Callable

from knet.control.autoscaler.engine import Engine
from knet.control.autoscaler.pods import Population
from knet.control.autoscaler.scrape import Scraper, Target
from knet.control.runner import runner
from knet.scaling.config import Config
from knet.scaling.fleet import Fleet
from knet.scaling.spec import PREFIX, PodAutoscaler, Spec, make_spec
from knet.scaling.stat import Stat, encode
from tests.scaling_oracle import Revision

COUNT, ALONE, WARM_S, TICKS = 10_000, 500, 70, 100
PODS, ROUNDS, REST_S = 1_000, 5, 10
START_S = 946_684_800

KINDS: dict[str, tuple[dict[str, str], ...]] = {
    "linear, 60 s": ({},),
    "weighted-exponential, 60 s": ({"metric-aggregation-algorithm": "weighted-exponential"},),
    "linear, 600 s": ({"window": "600s"},),
    "mixed: five windows, rps, delays, exponential": (
        {},
        {"window": "30s"},
        {"window": "120s", "metric": "rps"},
        {"window": "90s", "scale-down-delay": "30s"},
        {"window": "45s", "metric-aggregation-algorithm": "weighted-exponential"},
    ),
}


def spec(notes: dict[str, str]) -> Spec:
    said = {PREFIX + key: value for key, value in notes.items()}
    return make_spec(PodAutoscaler(said, 0, "Reachable"), Config(), "private")


def took(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """Milliseconds; of this thread's CPU unless another clock is given, so that other work does not count."""
    start = clock()
    work()
    return (clock() - start) * 1e3


def line(*cells: object) -> None:
    print("| " + " | ".join(str(c) for c in cells) + " |")


def measure(name: str, kinds: tuple[dict[str, str], ...]) -> None:
    specs = [spec(kind) for kind in kinds]
    fleet: Fleet[int] = Fleet()
    chance = random.Random(1)
    for key in range(COUNT):
        fleet.put(key, specs[key % len(specs)], 1, START_S * 1000)
    reports = [
        {key: Stat("p", chance.uniform(0, 150), 0, chance.uniform(0, 300), 0, 1) for key in range(COUNT)}
        for _ in range(5)
    ]
    alone = [Revision(specs[key % len(specs)], 1, START_S * 1000) for key in range(ALONE)]
    passes, wall, counting, plain = [], [], [], []
    for second in range(WARM_S + 2 * TICKS):
        now = START_S + second
        heard = reports[second % len(reports)]
        counted = took(lambda: fleet.record(now, heard))  # noqa: B023 - called at once
        for key, revision in enumerate(alone):
            revision.record(now, heard[key])
        if second % 2 or second < WARM_S:
            continue
        counting.append(counted)
        wall.append(
            took(lambda: passes.append(took(lambda: fleet.decide(now * 1000 + 500))), time.perf_counter)  # noqa: B023
        )
        plain.append(took(lambda: [r.decide(1, now * 1000 + 500) for r in alone]))  # noqa: B023
    median, baseline = statistics.median(passes), statistics.median(plain) * COUNT / ALONE
    cells = f"{median:.2f}", f"{statistics.median(wall):.2f}", f"{baseline:.0f}", f"{baseline / median:.0f}"
    line(name, *cells, f"{statistics.median(counting):.1f}")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A queue-proxy's report, for as long as it is asked."""
    body = encode(Stat("pod", 1.5, 0.5, 20.0, 3.0, 100.0))
    said = f"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(said.encode() + body)
    writer.close()


async def pods() -> None:
    """`python -m bench.autoscaler pods`: so many on loopback, a port each; prints the ports."""
    servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(PODS)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


async def scrape() -> None:
    command = sys.executable, "-m", "bench.autoscaler", "pods"
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
    assert running.stdout is not None
    ports = [int(word) for word in (await running.stdout.readline()).split()]
    heard: list[int] = []
    scraper = Scraper(lambda _key, second, _stat: heard.append(second))
    wall, used = [], []
    for second in range(ROUNDS + 1):  # the first one connects
        begun, cpu = time.perf_counter(), time.thread_time()
        for i, port in enumerate(ports):
            scraper.ask(Target(("default", f"revision-{i}"), [("127.0.0.1", port)], ()), second)
        await scraper.settled()
        wall.append((time.perf_counter() - begun) * 1e3)
        used.append((time.thread_time() - cpu) * 1e6 / len(ports))
    await scraper.close()
    running.terminate()
    await running.wait()
    print()
    line("asking 1,000 pods on loopback", "first, connecting, ms", "all, ms", "CPU µs each", "failures")
    line(*["---"] * 5)
    medians = f"{statistics.median(wall[1:]):.0f}", f"{statistics.median(used[1:]):.0f}"
    assert len(heard) + scraper.failures >= PODS * (ROUNDS + 1)
    line("one revision each", f"{wall[0]:.0f}", *medians, scraper.failures)


class _Nothing:
    """A cluster without endpoints."""

    def get(self, *_: object) -> None:
        return None


async def rest() -> None:
    engine = Engine(_Nothing(), Population())  # type: ignore[arg-type]
    for i in range(COUNT):
        engine.update(("default", f"revision-{i}"), spec({}), 0)
    task = asyncio.create_task(engine.run())
    begun = time.thread_time()
    await asyncio.sleep(REST_S)
    used = (time.thread_time() - begun) / REST_S
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    print(
        f"\n10,000 revisions at rest: {used:.1%} of a core for asking nobody and deciding every two seconds"
    )


def main() -> None:
    line(
        "windows of 10,000 revisions",
        "pass, CPU ms",
        "wall ms",
        "plain Python ms",
        "×",
        "counting a second ms",
    )
    line(*["---"] * 6)
    for name, kinds in KINDS.items():
        measure(name, kinds)
    with runner() as running:
        running.run(scrape())
        running.run(rest())


if __name__ == "__main__":
    if sys.argv[1:] == ["pods"]:
        asyncio.run(pods())
    else:
        main()
