"""The queue-proxy beside a bare Envoy and a direct connection; its limit; what it tells the autoscaler.

The load is a closed loop of our own over HTTP/1.1 keep-alive connections (one Python process, uvloop where it is
installed), so requests each second are bounded by it too: compare lines of one run. CPU is the proxy's alone, from
the kernel's clock (Envoy and the agent beside it).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from bench.wire import Wire
from knet.envoy.bootstrap import Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.scaling.stat import Stat, decode
from knet.text import json

CONNECTIONS, SECONDS, ROUNDS = 32, 2.0, 3
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Backend(asyncio.Protocol):
    """Answers after `delay` seconds and knows how many requests were there: at most, and on average."""

    delay = 0.0
    now = most = 0
    area = changed = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.due: asyncio.TimerHandle | None = None

    def connection_lost(self, _: Exception | None) -> None:
        if self.due is not None:
            self.due.cancel()
            Backend.change(-1)

    def data_received(self, _: bytes) -> None:
        if not Backend.delay:
            self.transport.write(ANSWER)
            return
        Backend.change(1)
        self.due = asyncio.get_running_loop().call_later(Backend.delay, self.answer)

    def answer(self) -> None:
        self.due = None
        Backend.change(-1)
        self.transport.write(ANSWER)

    @classmethod
    def change(cls, by: int) -> None:
        """Called with 0 to bring `area` (requests × seconds) up to now."""
        at = time.monotonic()
        cls.area += cls.now * (at - cls.changed)
        cls.changed, cls.now = at, cls.now + by
        cls.most = max(cls.most, cls.now)


class User(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, times: list[float]) -> None:
        self.times, self.data, self.begun = times, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.begun = time.perf_counter()
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.data.endswith(b"ok"):
            assert self.data.startswith(b"HTTP/1.1 200"), self.data
            self.times.append(time.perf_counter() - self.begun)
            self.data = b""
            self.ask()


class Bare:
    """An Envoy that only forwards."""

    def __init__(self, port: int, to: int, directory: Path) -> None:
        self.port, self.to, self.admin = port, to, Unix(directory / "admin")

    def text(self) -> str:
        def at(port: int) -> dict[str, object]:
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        kinds = "type.googleapis.com/envoy.extensions.filters."
        router = {"name": "router", "typed_config": {"@type": kinds + "http.router.v3.Router"}}
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "user", "timeout": "0s"}}]
        manager = {
            "@type": kinds + "network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "main",
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        user = [{"lb_endpoints": [{"endpoint": {"address": at(self.to)}}]}]
        cluster = {
            "name": "user",
            "type": "STATIC",
            "load_assignment": {"cluster_name": "user", "endpoints": user},
        }
        listener = {"name": "main", "address": at(self.port), "filter_chains": [chain]}
        made = {
            "admin": {"address": {"pipe": {"path": str(self.admin.path)}}},
            "static_resources": {"listeners": [listener], "clusters": [cluster]},
        }
        return json.dumps(made).decode()


@contextlib.asynccontextmanager
async def bare(to: int) -> AsyncIterator[tuple[int, list[int]]]:
    with tempfile.TemporaryDirectory() as folder:
        (port,) = ports(1)
        made = Bare(port, to, Path(folder))
        envoy = Envoy(
            find_envoy(os.environ),
            made,
            Path(folder),
            Options(concurrency=1, log_level="error", drain_seconds=1),
        )
        await envoy.start()
        await envoy.ready()
        assert envoy.pid
        yield port, [envoy.pid]
        await envoy.stop()


@contextlib.asynccontextmanager
async def queue_proxy(to: int, **changes: int) -> AsyncIterator[tuple[int, list[int], int]]:
    """As a container runs it: a process of its own. Its port, its processes, the port of its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        port, admin, metrics, more = ports(4)
        names = {8012: port, 8022: admin, 9090: metrics, 9091: more}
        wanted = {
            **{f"SERVING_{n}": "x" for n in ("NAMESPACE", "CONFIGURATION", "REVISION", "POD")},
            "SERVING_POD_IP": "127.0.0.1",
            "QUEUE_SERVING_PORT": "8012",
            "USER_PORT": str(to),
            "CONTAINER_CONCURRENCY": str(changes.get("concurrency", 0)),
            "REVISION_TIMEOUT_SECONDS": "300",
            "KNET_PORTS": json.dumps({str(k): v for k, v in names.items()}).decode(),
            "KNET_QUIET_SECONDS": "0",
        }
        command = (sys.executable, "-m", "knet.dataplane.queue")
        env = os.environ | wanted | {"ENVOY_BIN": str(find_envoy(os.environ)), "PYTHONPATH": str(Path.cwd())}
        process = await asyncio.create_subprocess_exec(*command, env=env, cwd=folder)
        await listening(port)
        yield port, [process.pid, *children(process.pid)], metrics
        process.terminate()
        await process.wait()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


async def listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


def cpu(pids: list[int]) -> float:
    """Seconds that these processes have computed."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def waiting(pids: list[int]) -> float:
    """Seconds for which these processes could have computed, and had no processor."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


def memory(pids: list[int]) -> Iterator[tuple[float, float]]:
    """(RSS, of which nobody else's and not a file's) in MB, for each process."""
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        said = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
        yield said["Rss:"], said["Pss_Anon:"]


async def load(port: int, seconds: float, connections: int = CONNECTIONS) -> list[float]:
    """The times of all requests."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: User(times), "127.0.0.1", port))[0] for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport in made:
        transport.abort()
    return times


async def throughput(to: int) -> None:
    async with (
        bare(to) as envoy,
        queue_proxy(to) as free,
        queue_proxy(to, concurrency=10) as ten,
        queue_proxy(to, concurrency=100) as hundred,
    ):
        known: dict[str, tuple[int, list[int]]] = {
            "direct": (to, []),
            "bare Envoy": envoy,
            "queue-proxy": free[:2],
            "queue-proxy, limit 10": ten[:2],
            "queue-proxy, limit 100": hundred[:2],
        }
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in known}
        for _ in range(ROUNDS):
            for name, (port, pids) in known.items():
                await load(port, 0.2)
                before, begun = cpu(pids), time.perf_counter()
                times = sorted(await load(port, SECONDS))
                used, took = cpu(pids) - before, time.perf_counter() - begun
                p50, p99 = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
                found[name].append((len(times) / took, used / len(times) * 1e6, p50, p99))
        print(f"{CONNECTIONS} connections, {ROUNDS} interleaved rounds of {SECONDS:g} s, medians\n")
        print("| | req/s | CPU µs/request | p50 ms | p99 ms | RSS MB (own) |\n|---|---|---|---|---|---|")
        for name, rows in found.items():
            rate, used, p50, p99 = (statistics.median(column) for column in zip(*rows, strict=True))
            size = " + ".join(f"{rss:.0f} ({own:.0f})" for rss, own in memory(known[name][1]))
            print(f"| {name} | {rate:.0f} | {used:.0f} | {p50:.2f} | {p99:.2f} | {size} |")


async def exactness(to: int) -> None:
    print("\n| limit | most at once in the container (8 times as many asking, 1 s) |\n|---|---|")
    for limit in (1, 5, 10, 100):
        async with queue_proxy(to, concurrency=limit) as (port, _, _):
            Backend.most, Backend.delay = 0, 0.005
            times = await load(port, 1.0, min(8 * limit, 400))
            print(f"| {limit} | {Backend.most} of {len(times)} requests |")
        await asyncio.sleep(0.1)


async def estimator(to: int) -> None:
    """What the autoscaler is told, against what was between the arrival of a request and the leaving of its answer."""
    print(
        "\n| requests | in the container | inside the queue-proxy, by packets | told | error "
        "| not seen, ms a request | Envoy waited for a CPU, ms a request |\n|---|---|---|---|---|---|---|"
    )
    for delay, users, seconds in ((0.005, 2, 8), (0.3, 5, 8), (5.0, 6, 16)):
        async with queue_proxy(to) as (port, pids, metrics):
            Backend.delay = delay
            times: list[float] = []
            asking = asyncio.create_task(spread(port, users, times))
            with Wire(port) as wire:
                await asyncio.sleep(2.0)
                told: list[float] = []
                waited, done = waiting(pids), len(times)
                Backend.change(0)
                area, begun, start = Backend.area, time.monotonic(), time.time()
                for _ in range(seconds):
                    await asyncio.sleep(1.0)
                    told.append((await report(metrics)).concurrency)
                Backend.change(0)
                end = time.time()
                inside, waited, done = wire.average(start, end), waiting(pids) - waited, len(times) - done
            container = (Backend.area - area) / (time.monotonic() - begun)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            average = statistics.mean(told)
            error = (average - inside) / inside
            print(
                f"| {delay * 1e3:g} ms, {users} users | {container:.3f} | {inside:.3f} | {average:.3f} | {error:+.1%} "
                f"| {(inside - average) * (end - start) / done * 1e3:.2f} | {waited / done * 1e3:.2f} |"
            )
        await asyncio.sleep(delay + 0.1)


async def spread(port: int, users: int, times: list[float]) -> None:
    """Users that are always asking: how many are under way is their number, less what lies between two requests."""
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: User(times), "127.0.0.1", port))[0] for _ in range(users)]
    try:
        await asyncio.Event().wait()
    finally:
        for transport in made:
            transport.abort()


async def report(port: int) -> Stat:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    return decode(body)


async def run() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Backend, "127.0.0.1", 0)
    to = server.sockets[0].getsockname()[1]
    one, five, fifteen = os.getloadavg()
    print(f"{os.cpu_count()} cores, load average before: {one:.1f}, {five:.1f}, {fifteen:.1f}\n")
    await throughput(to)
    await exactness(to)
    await estimator(to)
    server.close()


def main() -> None:
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except ImportError:
        asyncio.run(run())
