"""The loops below a Revision on an embedded API: PodAutoscaler, ServerlessService; pods are written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from embedded import embedded
from knet.control.autoscaler.autoscaler import Autoscaler
from knet.control.autoscaler.decisions import Decider
from knet.control.definitions import definitions
from knet.control.serving.controllers import Serving
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import AlreadyExists
from knet.serving.podautoscaler import Decision
from serving_live import Live

Object = dict[str, Any]
REVISION = "hello-00001"
UID = "serving.knative.dev/revisionUID"
LABELS = {"serving.knative.dev/revision": REVISION, UID: "rev-uid", "app": REVISION}


class Chosen:
    """A decider that says what a test wants it to."""

    def __init__(self) -> None:
        self.says: dict[tuple[str, str], Decision] = {}
        self.specs: dict[tuple[str, str], Any] = {}
        self._handlers: list[Any] = []

    def update(self, key, spec, ready):
        self.specs[key] = spec
        return self.says.get(key, Decision(excess=-1))

    def forget(self, key):
        self.specs.pop(key, None)

    def on_change(self, handler):
        self._handlers.append(handler)

    def say(self, desired: int, excess: int, name: str = REVISION) -> None:
        self.says["default", name] = Decision(desired, excess)
        for handler in self._handlers:
            handler(("default", name))


class Scaled(Live):
    """A cluster under test with one revision."""

    autoscaler: Autoscaler
    kubeconfig: Path

    async def revision(
        self, name: str = REVISION, replicas: int = 1, spec: Object | None = None, **notes: str
    ):
        """The Deployment and the PodAutoscaler of a revision, as the Revision's controller makes them."""
        labels = {**LABELS, "serving.knative.dev/revision": name, UID: f"{name}-uid"}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{name}-deployment", "namespace": "default", "labels": labels},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {UID: f"{name}-uid"}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        }
        await self.client.create(resources.DEPLOYMENTS, deployment)
        pa = {
            "apiVersion": resources.POD_AUTOSCALERS.api_version,
            "kind": "PodAutoscaler",
            "metadata": {
                "name": name,
                "namespace": "default",
                "labels": labels,
                "annotations": {
                    f"autoscaling.knative.dev/{k.replace('_', '-')}": v for k, v in notes.items()
                },
            },
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": f"{name}-deployment",
                },
                "reachability": "Reachable",
                "protocolType": "http1",
                **(spec or {}),
            },
        }
        return await self.client.create(resources.POD_AUTOSCALERS, pa)

    async def pods(self, count: int, name: str = REVISION, *, port: int = 9090, address: str = "10.1.0."):
        """Has `count` ready pods run, and the private Service lead to them, as Kubernetes does."""
        have = {
            pod["metadata"]["name"]: pod
            for pod in (
                await self.client.list(
                    resources.PODS, "default", labels=f"serving.knative.dev/revision={name}"
                )
            ).items
        }
        wanted = [f"{name}-{i}" for i in range(count)]
        for gone in have.keys() - set(wanted):
            await self.client.delete(resources.PODS, gone, "default", grace=0)
        labels = {**LABELS, "serving.knative.dev/revision": name, UID: f"{name}-uid"}
        for i, pod in enumerate(wanted):
            if pod in have:
                continue
            body = {
                "metadata": {"name": pod, "namespace": "default", "labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            }
            made = await self.client.create(resources.PODS, body)
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            status = {
                "phase": "Running",
                "podIP": f"{address}{i + 1}",
                "startTime": "2026-01-01T00:00:00Z",
                "conditions": [condition],
            }
            await self.status(resources.PODS, made, status)
        addresses = [
            {"ip": f"{address}{i + 1}", "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"}}
            for i, pod in enumerate(wanted)
        ]
        await self.endpoints(
            f"{name}-private", addresses, {"http": 8012, "https": 8112, "http-autometric": port}
        )

    async def endpoints(self, name: str, addresses: list[Object], ports: dict[str, int], namespace="default"):
        """Writes Endpoints; those of a private Service carry its labels, as Kubernetes writes them."""
        sks = name.removesuffix("-private")
        labels = {"networking.internal.knative.dev/serverlessservice": sks} if sks != name else {}
        found = [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports.items()]
        subsets = [{"addresses": addresses, "ports": found}] if addresses else []
        body = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "subsets": subsets,
        }
        await self.client.apply(resources.ENDPOINTS, body, manager="kubernetes")

    async def activators(self, *addresses: str, http: int = 8012):
        """Has `activator-service` lead to these."""
        found = [{"ip": a} for a in addresses]
        await self.endpoints("activator-service", found, {"http": http, "http2": 8013}, "knative-serving")

    async def until_leads(self, *wanted: tuple[str, int], name: str = REVISION) -> Object:
        """Waits until the public Service leads to exactly these."""
        return await self.until(resources.ENDPOINTS, name, lambda e: leads(e) == sorted(wanted))


def leads(endpoints: Object) -> list[tuple[str, int]]:
    """Where endpoints lead to, at their port `http`."""
    return sorted(
        (a["ip"], next(p["port"] for p in subset["ports"] if p["name"] == "http"))
        for subset in endpoints.get("subsets") or ()
        for a in subset.get("addresses") or ()
    )


@asynccontextmanager
async def scaled_live(decider: Decider | None = None, *, loops: bool = True) -> AsyncIterator[Scaled]:
    """Runs an API, Serving's controllers and (`loops`) the autoscaler's in one process."""
    async with (
        embedded() as api,
        api.client() as client,
        scaled_on(client, api.kubeconfig, decider, loops=loops) as made,
    ):
        yield made


@asynccontextmanager
async def scaled_on(
    client: Client, kubeconfig: Path, decider: Decider | None = None, *, loops: bool = True
) -> AsyncIterator[Scaled]:
    """The same on an API that runs."""
    for definition in definitions():
        await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
    await namespace(client, "knative-serving")
    serving, autoscaler = Serving(client), Autoscaler(client, decider=decider)
    parts = (serving, autoscaler) if loops else (serving,)
    tasks = [asyncio.create_task(part.run()) for part in parts]
    live = Scaled(client, serving)
    live.autoscaler, live.kubeconfig = autoscaler, kubeconfig
    try:
        yield live
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def namespace(client: Client, name: str) -> None:
    try:
        await client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    except AlreadyExists:
        return
