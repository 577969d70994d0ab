"""An embedded cluster for tests: objects go in through its API, requests through its Envoy.

`ClusterGateway` has the methods of `behaviours.Live`; what `live.EnvoyGateway` takes from the control plane's
memory it learns from the API, as any client would.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from behaviours import Answer
from knet.backends.kourier.settings import Ports
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from knet.kube.resources import CONFIG_MAPS, ENDPOINT_SLICES, INGRESSES, SECRETS, SERVICES, Resource
from knet.local.up import Ready, Run, Voice, run
from live import EnvoyGateway
from ports import free_ports

KINDS: dict[str, Resource] = {r.kind: r for r in (CONFIG_MAPS, ENDPOINT_SLICES, INGRESSES, SECRETS, SERVICES)}


def is_ready(item: dict[str, Any]) -> bool:
    """Whether a KIngress says Ready of its present generation."""
    status = item.get("status") or {}
    return status.get("observedGeneration") == item["metadata"]["generation"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()
    )


class ClusterGateway(EnvoyGateway):
    """See `behaviours.Live`. Make one with `cluster_gateway`."""

    def __init__(self, api: Client, ports: Ports, client: httpx.AsyncClient) -> None:
        self.api = api
        self.ports = ports
        self.client = client

    async def apply(self, *objects: dict[str, Any], ready: bool = True) -> None:
        for body in objects:
            await self.api.apply(KINDS[body["kind"]], body, manager="test")
        for body in objects:
            if ready and body["kind"] == INGRESSES.kind:
                await self.ready(body["metadata"]["name"])

    async def delete(self, *objects: dict[str, Any]) -> None:
        for body in objects:
            meta = body["metadata"]
            await self.api.delete(KINDS[body["kind"]], meta["name"], meta["namespace"])

    async def ready(self, name: str) -> dict[str, Any]:
        """Waits until a KIngress is ready as it is now; the object."""
        only, said = f"metadata.name={name}", None
        try:
            async with (
                asyncio.timeout(30),
                aclosing(self.api.watch(INGRESSES, "default", fields=only)) as events,
            ):
                async for event in events:
                    if event.type in ("ADDED", "MODIFIED"):
                        said = event.object.get("status")
                        if is_ready(event.object):
                            return event.object
        except TimeoutError:
            raise AssertionError(f"{name} is not ready after 30 s; its status is {said}") from None
        raise AssertionError(f"the watch of {name} ended")

    async def ready_hash(self, name: str) -> str:
        item = await self.ready(name)
        host = item["spec"]["rules"][0]["hosts"][0]
        answer: Answer = await self.get(
            host, "/healthz", {"K-Network-Probe": "probe", "K-Network-Hash": "override"}
        )
        return answer.seen["k-network-hash"]

    async def snapshot_of(self, name: str) -> Any:
        return await self.api.get(INGRESSES, name, "default")


@asynccontextmanager
async def cluster_gateway(folder: Path) -> AsyncIterator[ClusterGateway]:
    """A whole embedded cluster on free ports, for as long as the context lasts."""
    api, http, https, internal = free_ports(4)
    wanted = Run(folder / "state", api, http, https, internal, dict(os.environ), concurrency=1)
    began: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    stopped = asyncio.Event()
    task = asyncio.create_task(run(wanted, Voice(began.set_result), stopped))
    try:
        done, _ = await asyncio.wait([task, began], timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()
        assert began.done(), "the cluster is not ready in 30 s"
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(await from_kubeconfig(wanted.kubeconfig)))
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            requests = httpx.AsyncClient(verify=False, timeout=60, limits=limits, trust_env=False)
            await stack.enter_async_context(requests)
            yield ClusterGateway(client, Ports(http, internal, https, 0, 0, 0), requests)
    finally:
        stopped.set()
        await task
