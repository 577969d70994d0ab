"""One changed split among N KIngresses in the controllers of Istio and Contour, beside a full rebuild.

The controller is the whole one, informers, probes and writes included; the API is a dictionary in the same process
that says at once that a proxy is valid, and the gateway a server that answers every probe. So what is measured is knet.
N KIngresses with their objects are there and ready when it starts. A step changes one split and lasts until the
KIngress says Ready of it; a full rebuild is what a change of a ConfigMap costs, which writes nothing.

    python -m bench.objects [GATEWAY...] [N...]        (contour istio 100 1000 10000)
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from bench import synthetic
from knet.control.ingress_status import timed, was_ready
from knet.control.objects.controller import ObjectController
from knet.control.objects.gateways import KINDS, Front
from knet.control.runner import runner
from knet.kube import resources
from knet.kube.client import Client, Event, Listed, Object, Page
from knet.kube.resources import Resource
from knet.model import core, kingress
from knet.routing.build import build
from knet.routing.world import World
from knet.text import json

COUNTS = (100, 1_000, 10_000)
STEPS, FULL = 50, 3
FRONTS = {
    "istio": [("istio-system", "istio-ingressgateway", {"istio": "ingressgateway"})],
    "contour": [("contour-external", "envoy", {}), ("contour-internal", "envoy", {})],
}


class Memory:
    """As much of `knet.kube.client.Client` as a controller asks for, over a dictionary."""

    def __init__(self) -> None:
        self.version = 0
        self.writes = 0
        self.items: dict[str, dict[tuple[str, str], Object]] = {}
        self.watches: dict[str, list[asyncio.Queue[Event]]] = {}

    def put(self, resource: Resource, body: Object) -> Object:
        """An object as it is, told to who watches."""
        self.version += 1
        meta = body["metadata"]
        of, key = self.items.setdefault(resource.plural, {}), (meta.get("namespace", ""), meta["name"])
        old = of.get(key, {"metadata": {}})
        generation = old["metadata"].get("generation", 0) + (old.get("spec") != body.get("spec"))
        uid = meta.get("uid") or old["metadata"].get("uid") or f"uid-{self.version}"
        meta = {**meta, "uid": uid, "generation": generation, "resourceVersion": str(self.version)}
        made = {**body, "kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        if resource is resources.HTTP_PROXIES:
            seen = [{"type": "Valid", "status": "True", "observedGeneration": generation}]
            made["status"] = {"currentStatus": "valid", "conditions": seen}
        elif "status" in old and "status" not in body:
            made["status"] = old["status"]
        of[key] = made
        self._tell(resource, Event("MODIFIED" if old["metadata"] else "ADDED", made))
        return made

    def _tell(self, resource: Resource, event: Event) -> None:
        for queue in self.watches.get(resource.plural, ()):
            queue.put_nowait(Event(event.type, json.copied(event.object)))

    def applied(self, resource: Resource, body: Object) -> Object:
        """An object as server-side apply by knet leaves it."""
        meta = body["metadata"]
        fields: dict[str, Any] = {
            f"f:{name}": {f"f:{key}": {} for key in meta.get(name) or {}}
            for name in ("labels", "annotations")
        }
        fields["f:ownerReferences"] = {
            f'k:{{"uid":"{o["uid"]}"}}': {} for o in meta.get("ownerReferences") or ()
        }
        managed = [{"manager": "knet", "operation": "Apply", "fieldsV1": {"f:metadata": fields}}]
        return self.put(resource, {**body, "metadata": {**meta, "managedFields": managed}})

    # what a Client has

    async def list(
        self, resource: Resource, namespace: str | None = None, *, page: Page = lambda _: None, **_: Any
    ) -> Listed:
        found = [
            json.copied(item)
            for key, item in self.items.get(resource.plural, {}).items()
            if namespace in (None, key[0])
        ]
        page(found)
        return Listed(found, str(self.version))

    async def watch(
        self, resource: Resource, _namespace: str | None = None, **_: Any
    ) -> AsyncIterator[Event]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self.watches.setdefault(resource.plural, []).append(queue)
        while True:
            yield await queue.get()

    async def apply(self, resource: Resource, body: Object, **_: Any) -> Object:
        self.writes += 1
        return self.applied(resource, json.copied(body))

    async def replace(self, resource: Resource, body: Object, **_: Any) -> Object:
        self.writes += 1
        return self.put(resource, json.copied(body))

    async def delete(self, resource: Resource, name: str, namespace: str | None = None, **_: Any) -> Object:
        self.writes += 1
        gone = self.items[resource.plural].pop((namespace or "", name))
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(resource, Event("DELETED", gone))
        return gone

    async def create(self, resource: Resource, body: Object, _namespace: str | None = None) -> Object:
        return self.put(resource, json.copied(body))

    async def patch(self, resource: Resource, name: str, patch: Any, namespace: str | None = None) -> Object:
        """Only of an Event that happened again."""
        return self.put(resource, {**self.items[resource.plural][namespace or "", name], **patch})


async def pod(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A gateway pod that answers every probe, whatever it asks for."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    writer.close()


def filled(gateway: str, count: int, port: int) -> Memory:
    """An API that holds N KIngresses, ready, and all that they ask for."""
    memory, kind = Memory(), KINDS[gateway]()
    for namespace, name, labels in FRONTS[gateway]:
        meta = {"name": name, "namespace": namespace, "labels": labels}
        spec = {"ports": [{"name": "http", "port": 80, "targetPort": port}], "selector": labels}
        memory.put(resources.SERVICES, {"metadata": meta, "spec": spec})
        sliced = {**meta, "name": f"{name}-x", "labels": {core.SERVICE_NAME_LABEL: name}}
        ends = [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}]
        ports = [{"name": "http", "port": port}]
        memory.put(resources.ENDPOINT_SLICES, {"metadata": sliced, "endpoints": ends, "ports": ports})
    if gateway == "istio":
        server = {"hosts": ["*"], "port": {"name": "http", "number": 80, "protocol": "HTTP"}}
        spec = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
        meta = {"name": "knative-ingress-gateway", "namespace": "knative-serving"}
        memory.put(resources.GATEWAYS, {"metadata": meta, "spec": spec})
    for i in range(count):
        memory.put(resources.INGRESSES, synthetic.ingress(i, gateway))
        for item in synthetic.backends(i):
            memory.put(resources.SERVICES if item["kind"] == "Service" else resources.ENDPOINT_SLICES, item)
    ingresses = memory.items[resources.INGRESSES.plural]
    services = memory.items[resources.SERVICES.plural]
    world = World(
        {k: kingress.parse(v) for k, v in ingresses.items()}, {k: core.parse(v) for k, v in services.items()}
    )
    settings, _ = kind.backend.settings(world)
    table = build(world, kind.backend.ingress_class)
    by_kind = {r.kind: r for r in kind.writes}
    for item in kind.backend.render(table, settings).objects:
        memory.applied(by_kind[item["kind"]], item)
    front = Front(settings, World())
    for key, ingress in table.ingresses.items():
        done = {**kind.status("ready", ingress, front, {}), "observedGeneration": 1}
        done = timed(done, {}, "2026-01-01T00:00:00Z")
        memory.put(resources.INGRESSES, {**ingresses[key], "status": done})
    return memory


async def idle(controller: ObjectController) -> None:
    """Until nothing is left to do."""
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(0.02)
        quiet = quiet + 1 if controller.idle else 0


async def step(memory: Memory, index: int, share: int) -> tuple[float, float]:
    """Changes one split; seconds and CPU seconds until the KIngress says Ready of it."""
    key = "default", f"svc-{index:05d}"
    told: asyncio.Queue[Event] = asyncio.Queue()
    memory.watches[resources.INGRESSES.plural].append(told)
    old = memory.items[resources.INGRESSES.plural][key]
    begun, used = time.perf_counter(), time.process_time()
    made = memory.put(resources.INGRESSES, {**old, "spec": synthetic.ingress(index, "", share)["spec"]})
    generation = made["metadata"]["generation"]
    while True:
        found = (await told.get()).object
        if found["metadata"]["name"] == key[1] and was_ready(generation, found.get("status") or {}):
            break
    memory.watches[resources.INGRESSES.plural].remove(told)
    return time.perf_counter() - begun, time.process_time() - used


async def measured(gateway: str, count: int) -> list[float]:
    """Start (and its CPU), steps (p50, p99, CPU, writes) and full rebuilds (CPU) of one controller, in seconds."""
    async with await asyncio.start_server(pod, "127.0.0.1", 0) as server, asyncio.TaskGroup() as group:
        memory = filled(gateway, count, server.sockets[0].getsockname()[1])
        gc.collect()
        gc.freeze()
        begun, used = time.perf_counter(), time.process_time()
        controller = ObjectController(cast("Client", memory), KINDS[gateway]())
        task = group.create_task(controller.run())
        await idle(controller)
        started, start_cpu = time.perf_counter() - begun, time.process_time() - used
        assert controller.writes == 0, f"{controller.writes} writes at rest"
        for i in range(3):
            await step(memory, i, 20)
        await idle(controller)
        before, steps = controller.writes, []
        for i in range(STEPS):
            steps.append(await step(memory, i * count // STEPS % count, 30 + i % 2))
            await idle(controller)  # what it clears away afterwards is not part of the next one
        writes = (controller.writes - before) / STEPS
        fulls = []
        before = controller.writes
        for i in range(FULL):
            used = time.process_time()
            meta = {"name": "config-network", "namespace": "knative-serving", "labels": {"n": str(i)}}
            memory.put(resources.CONFIG_MAPS, {"metadata": meta, "data": {}})
            await idle(controller)
            fulls.append(time.process_time() - used)
        assert controller.writes == before, "a full rebuild that changes nothing writes nothing"
        task.cancel()
    walls = sorted(w for w, _ in steps)
    cpu = statistics.median(c for _, c in steps)
    return [
        started,
        start_cpu,
        statistics.median(walls),
        walls[int(len(walls) * 0.99)],
        cpu,
        writes,
        min(fulls),
    ]


async def run(gateways: Iterable[str] = KINDS, counts: Iterable[int] = COUNTS) -> None:
    print(
        "| gateway | KIngresses | start s | CPU s | step p50 ms | p99 ms | CPU ms | writes "
        "| full rebuild CPU ms | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for gateway in gateways:
        for count in counts:
            start, start_cpu, p50, p99, cpu, writes, full = await measured(gateway, count)
            print(
                f"| {gateway} | {count:,} | {start:.1f} | {start_cpu:.1f} | {p50 * 1e3:.1f} | {p99 * 1e3:.1f} | **{cpu * 1e3:.1f}** "
                f"| {writes:.0f} | {full * 1e3:,.0f} | {full / cpu:,.0f}× |",
                flush=True,
            )


def main() -> None:
    with runner() as running:
        running.run(run())


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    names = [word for word in sys.argv[1:] if not word.isdigit()]
    with runner() as running:
        running.run(run(names or KINDS, numbers or COUNTS))
