"""10,000 KIngresses from the embedded API into a controller's memory, and a change to its handler.

Ours: `knet.kube.informer` with KIngresses parsed. The baseline in the same run: kopf's own event handlers on the same
API, each in a process of its own, so that memory is its own. Bars (issue 4): listed and parsed ≤ 1.5 s, one change
at a handler ≤ 5 ms p99. A change's time runs from the moment at which the API takes it up, before it is written down,
to its handler in the other process; changes come 50 a second. The API is in the benchmark's own process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench import synthetic
from bench.served import spawned
from bench.xds import Watched
from knet.control.definitions import definitions
from knet.control.ingress import keep_ingress
from knet.control.runner import runner
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.informer import Informer
from knet.local.api.kinds import Kind
from knet.local.api.patches import merge
from knet.local.api.resources import Options
from knet.local.api.server import ApiServer

COUNT, CHANGES, RATE = 10_000, 500, 50
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""The disk is not what is measured: a slow fsync is 5 ms by itself."""
NOTE = "bench.knet.dev/at"
BENCH = Options("bench")


class Heard:
    """What a controller's process tells: how long listing took, and when each change came."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.count = 0
        self.at: dict[str, float] = {}

    def hear(self, note: str | None) -> None:
        """One object, new (no note) or changed."""
        if note is None:
            self.count += 1
            if self.count == COUNT:
                print(json.dumps({"listed": time.monotonic() - self.begun}), flush=True)
        elif note not in self.at:
            self.at[note] = time.monotonic() - float(note)
            if len(self.at) == CHANGES:
                print(json.dumps({"delays": sorted(self.at.values())}), flush=True)


async def ours(folder: Path) -> None:
    """knet's informer."""
    async with Client(await from_kubeconfig(folder / "kubeconfig")) as client:
        heard = Heard()
        informer = Informer(client, resources.INGRESSES, keep=keep_ingress)
        informer.on_change(
            lambda _key, _old, new: heard.hear((new.raw["metadata"].get("annotations") or {}).get(NOTE))
        )
        await informer.run()


async def kopfs(folder: Path) -> None:
    """kopf's event handlers. It is given what it needs to be quick: no status, no annotations of its own."""
    import kopf

    heard: list[Heard] = []

    @kopf.on.event("networking.internal.knative.dev", "v1alpha1", "ingresses")  # type: ignore[arg-type]
    async def changed(body: Any, **_: Any) -> None:
        heard[0].hear((body["metadata"].get("annotations") or {}).get(NOTE))

    @kopf.on.startup()
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.batching.worker_limit = None
        settings.scanning.disabled = True

    @kopf.on.login()
    async def login(**_: Any) -> kopf.ConnectionInfo:
        import yaml

        config = yaml.safe_load((folder / "kubeconfig").read_text())
        heard.append(Heard())
        cluster = config["clusters"][0]["cluster"]
        return kopf.ConnectionInfo(
            server=cluster["server"],
            ca_data=cluster["certificate-authority-data"].encode(),
            token=config["users"][0]["user"]["token"],
        )

    await kopf.operator(namespaces=["default"], standalone=True)


CONTROLLERS: dict[str, Callable[[Path], Awaitable[None]]] = {"knet": ours, "kopf": kopfs}


async def run() -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        server = ApiServer(folder / "api.db", folder)
        await server.start()
        stack.push_async_callback(server.stop)
        server.write_kubeconfig(folder / "kubeconfig")
        for definition in definitions():
            server.resources.create(
                _kind(server, resources.CUSTOM_RESOURCE_DEFINITIONS), "", definition, BENCH
            )
        kind = _kind(server, resources.INGRESSES)
        for i in range(COUNT):
            server.resources.create(kind, "default", synthetic.ingress(i, "kourier"), BENCH)
        rows = {name: await measured(server, name, folder) for name in CONTROLLERS}
        print("| what | knet | kopf's handlers | ratio | bar |\n|---|---|---|---|---|")
        words = {
            "listed": (f"{COUNT} KIngresses listed and parsed, s", "1.5", "{:.2f}"),
            "p50": ("a change reaches a handler, p50 ms", "", "{:.1f}"),
            "p99": ("… p99 ms", "5", "{:.1f}"),
            "rss": ("memory, MB", "", "{:.0f}"),
        }
        for key, (what, bar, form) in words.items():
            a, b = rows["knet"][key], rows["kopf"][key]
            print(f"| {what} | **{form.format(a)}** | {form.format(b)} | {b / a:.1f}× | {bar} |")


def _kind(server: ApiServer, wanted: resources.Resource) -> Kind:
    found = server.kinds.find(wanted.group, wanted.version, wanted.plural)
    if found is None:
        raise SystemExit(f"the API has no {wanted.plural}")
    return found


async def measured(server: ApiServer, name: str, folder: Path) -> dict[str, float]:
    kind = _kind(server, resources.INGRESSES)

    def note(i: int, text: str | None) -> None:
        patch = {"metadata": {"annotations": {NOTE: text}}}
        server.resources.patch(
            kind, ("default", f"svc-{i:05d}"), lambda item: merge.merge(item, patch), BENCH
        )

    async with AsyncExitStack() as stack:
        process = await spawned(stack, "bench.informer", name, str(folder))
        assert process.stdout
        async with asyncio.timeout(300):
            listed = json.loads(await process.stdout.readline())["listed"]
        for i in range(CHANGES):
            start = time.monotonic()
            note(i, str(start))
            await asyncio.sleep(max(0.0, start + 1 / RATE - time.monotonic()))
        async with asyncio.timeout(300):
            delays = json.loads(await process.stdout.readline())["delays"]
        rss = Watched(process.pid).rss_mb()
        for i in range(CHANGES):
            note(i, None)
        return {
            "listed": listed,
            "p50": delays[len(delays) // 2] * 1e3,
            "p99": delays[int(len(delays) * 0.99)] * 1e3,
            "rss": rss,
        }


def main() -> None:
    with runner() as running:
        running.run(run())


if __name__ == "__main__":
    with runner() as running:
        running.run(CONTROLLERS[sys.argv[1]](Path(sys.argv[2])))
