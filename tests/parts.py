"""A cluster whose parts end and begin alone: `knet controller run` as processes beside an API, a node with real pods,
the activator, the autoscaler and a real Envoy that all outlive them.

In `knet up` the controllers, the API and the node are one process, and Envoy ends with it: there nobody can kill the
controllers and see what becomes of requests.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded import embedded
from knet.backends.kourier.settings import Ports
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import AlreadyExists
from knet.local import gateway, serverless, serving
from knet.local.admission import Admission
from knet.local.children import Children
from knet.local.controllers import services, workloads
from knet.local.controllers.cluster import Cluster
from knet.local.controllers.collector import Collector
from knet.local.pods.node import Node
from ports import free_ports

APP = Path(__file__).parent.parent / "bench" / "app.py"
LEASE = "knet"
PATIENCE_S = 90.0


def service(name: str, version: str, fail: float = 0, pods: int = 1) -> dict[str, Any]:
    """A Service of bench/app.py: who answers says which version it is."""
    env = {"VERSION": version, "FAIL": str(fail)}
    container = {
        "image": "dev.local/hello",
        "command": [sys.executable, str(APP)],
        "env": [{"name": k, "value": v} for k, v in env.items()],
    }
    notes = {"autoscaling.knative.dev/min-scale": str(pods)}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"metadata": {"annotations": notes}, "spec": {"containers": [container]}}},
    }


@dataclass
class Replica:
    """One `knet controller run`. `python` runs it: that of another tree is another version."""

    name: str
    kubeconfig: Path
    log: Path
    arguments: list[str]
    python: Path = field(default_factory=lambda: Path(sys.executable))
    cwd: Path | None = None
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(self.python, "-m", "knet", "controller", "run", "--kubeconfig", self.kubeconfig),
                *("--identity", self.name, *self.arguments),
                stdout=log,
                stderr=log,
                cwd=self.cwd,
            )

    async def end(self, *, kill: bool = False) -> None:
        """Asked to, or with -9."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is not None:
            raise AssertionError(f"{self.name} ended by itself:\n{self.log.read_text()[-3000:]}")
        (process.kill if kill else process.terminate)()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{self.name} did not end:\n{self.log.read_text()[-3000:]}") from None

    async def again(self) -> None:
        """Killed with -9, and started again."""
        await self.end(kill=True)
        await self.start()


class Parts:
    """The gateway listens at `address`, port 8080. Make one with `parts`."""

    def __init__(self, folder: Path, client: Client, replicas: tuple[str, ...]) -> None:
        self.folder, self.client = folder, client
        # the ports of the gateway are fixed: it has an address of its own
        self.address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self.http = 8080
        *xds, self.admin = free_ports(len(replicas) + 1)
        self.xds = dict(zip(replicas, xds, strict=True))
        self.kubeconfig = folder / "kubeconfig"
        self.replicas = {name: self._replica(name) for name in replicas}

    def _replica(self, name: str) -> Replica:
        at = self.address
        arguments = [
            *("--mode", "full", "--gateway", "kourier", "--xds", f"127.0.0.1:{self.xds[name]}"),
            *("--http", f"{at}:8080", "--internal", f"{at}:8081"),
            *("--gateway-stats", f"127.0.0.1:{self.admin}"),
        ]
        return Replica(name, self.kubeconfig, self.folder / f"{name}.log", arguments)

    async def configured(self, name: str, **data: str) -> None:
        """Writes into a ConfigMap of knative-serving."""
        meta = {"name": name, "namespace": "knative-serving"}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        await self.client.apply(resources.CONFIG_MAPS, body, manager="test")

    async def leader(self) -> str:
        """Who holds the Lease; "" for nobody."""
        found = await self.client.list(resources.LEASES, "knative-serving")
        holders = [
            str((i["spec"] or {}).get("holderIdentity") or "")
            for i in found.items
            if i["metadata"]["name"] == LEASE
        ]
        return holders[0] if holders else ""


@asynccontextmanager
async def parts(
    folder: Path, *replicas: str, config: Mapping[str, Mapping[str, str]] | None = None, start: bool = True
) -> AsyncIterator[Parts]:
    """A cluster with these controllers (one for no name), ready when its Envoy listens. `start`: they run already."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(embedded(folder / "api.db", admit=[Admission()]))
        shutil.copy(running.kubeconfig, folder / "kubeconfig")
        client = await stack.enter_async_context(running.client())
        made = Parts(folder, client, replicas or ("one",))
        await _installed(made, config or {})
        node = Node(client, folder / "pods", folder / "images.yaml", os.environ)
        stack.push_async_callback(node.stop)
        await node.start()
        await _kubernetes(stack, client)
        await _autoscaling(stack, made, node)
        for replica in made.replicas.values():
            stack.push_async_callback(replica.end)
            if start:
                await replica.start()
        asked = tuple(Tcp("127.0.0.1", port) for port in made.xds.values())
        bootstrap = Bootstrap("parts", asked, Tcp("127.0.0.1", made.admin))
        options = Options(1, log=folder / "envoy.log", drain_seconds=1)
        envoy = Envoy(find_envoy(os.environ), bootstrap, folder / "envoy", options)
        stack.push_async_callback(envoy.stop)
        await envoy.start()
        if start:
            await asyncio.wait_for(envoy.ready(), PATIENCE_S)
        yield made
        assert envoy.restarts == 0, (folder / "envoy.log").read_text()[-2000:]


async def _installed(made: Parts, config: Mapping[str, Mapping[str, str]]) -> None:
    for namespace in (gateway.NAMESPACE, serverless.NAMESPACE):
        with suppress(AlreadyExists):
            await made.client.create(resources.NAMESPACES, {"metadata": {"name": namespace}})
    await serving.install(made.client)
    for body in gateway.services(Ports(8080, 8081, 8443, 0, 0, 0)):
        await made.client.apply(resources.SERVICES, body)
    await made.configured("config-kourier", **{"listen-ip-addresses": made.address})
    for name, data in config.items():
        await made.configured(name, **data)


async def _kubernetes(stack: AsyncExitStack, client: Client) -> None:
    """What Kubernetes itself does: Deployments to pods, Services to endpoints, owners to the end of what they own."""
    cluster = Cluster(client)
    endpoints = services.Endpoints(cluster)
    loops = (workloads.run(cluster), endpoints.run(), cluster.run(), Collector(client).run())
    tasks = [asyncio.create_task(loop) for loop in loops]

    async def ended() -> None:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    stack.push_async_callback(ended)
    await cluster.synced()


async def _autoscaling(stack: AsyncExitStack, made: Parts, node: Node) -> None:
    at = await serverless.places(node.modes)
    children = Children(made.folder / "logs", lambda _: None)
    stack.push_async_callback(children.stop)
    for child in serverless.children(at, made.folder, os.environ):
        children.start(child)
    for kind, body in serverless.objects(at):
        await made.client.apply(kind, body)
    await children.ready(PATIENCE_S)
