"""Serving's controllers on an embedded API, and waiting for what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

from embedded import embedded
from knet.control.definitions import definitions
from knet.control.serving.controllers import Serving
from knet.control.serving.loop import Loop
from knet.control.serving.revisions import Unresolved
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import ApiError, Conflict
from knet.kube.resources import Resource

PATIENCE_S = 10.0
Object = dict[str, Any]


class Watching:
    """An API, and waiting for what becomes of its objects."""

    def __init__(self, client: Client, patience: float = PATIENCE_S, namespace: str = "default") -> None:
        self.client = client
        self.patience = patience
        self.namespace = namespace

    async def until(
        self, kind: Resource, name: str, test: Callable[[Object], Any], namespace: str = ""
    ) -> Object:
        """The object as it is when it first passes a test (it need not be there yet); any of its kind for no name."""
        said: list[Object] = []
        namespace = namespace or self.namespace

        async def follow() -> Object:
            fields = f"metadata.name={name}" if name else ""
            async for event in self.client.watch(kind, namespace if kind.namespaced else None, fields=fields):
                if event.type == "BOOKMARK":
                    continue
                said[:] = [event.object]
                if event.type != "DELETED" and test(event.object):
                    return event.object
            raise AssertionError("the watch ended")

        async def patient() -> Object:
            while True:
                try:
                    return await follow()
                except ApiError as error:
                    if error.status != HTTPStatus.TOO_MANY_REQUESTS:  # a kind that was defined just now
                        raise
                    await asyncio.sleep(0.2)

        try:
            return await asyncio.wait_for(patient(), self.patience)
        except TimeoutError:
            raise AssertionError(f"{kind.kind} {name} never came to it: {said}") from None

    async def gone(self, kind: Resource, name: str, namespace: str = "default") -> None:
        """Waits until an object is no longer there."""
        listed = await self.client.list(kind, namespace, fields=f"metadata.name={name}")
        if not listed.items:
            return

        async def follow() -> None:
            events = self.client.watch(
                kind, namespace, fields=f"metadata.name={name}", resource_version=listed.resource_version
            )
            async for event in events:
                if event.type == "DELETED":
                    return

        await asyncio.wait_for(follow(), self.patience)

    async def status(self, kind: Resource, item: Object, status: Object) -> Object:
        """Writes a status as another controller would: once more if the object was written in between."""
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
        async with asyncio.timeout(self.patience):
            while True:
                current = await self.client.get(kind, name, namespace)
                try:
                    return await self.client.replace(
                        kind, {**current, "status": status}, subresource="status"
                    )
                except Conflict:  # these objects have other writers too: Serving, the controller of Canaries
                    continue

    async def configure(self, name: str, **data: str) -> None:
        """Writes a ConfigMap of knative-serving."""
        meta = {"name": name, "namespace": "knative-serving"}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        await self.client.apply(resources.CONFIG_MAPS, body, manager="operator")


class Live(Watching):
    """A cluster under test."""

    def __init__(self, client: Client, serving: Serving, namespace: str = "default") -> None:
        super().__init__(client, namespace=namespace)
        self.serving = serving

    async def settled(self) -> None:
        """Waits until no controller has anything left to look at now (what they wrote has come back by then)."""
        quiet = 0
        while quiet < 3:
            await self.client.list(resources.NAMESPACES)  # a turn of the API: watches have run by then
            idle = all(loop.queue.quiet(0.5) for loop in self.serving.loops)
            quiet = quiet + 1 if idle else 0
            await asyncio.sleep(0.02)


def ready(item: Object, name: str = "Ready", status: str = "True") -> bool:
    """Whether a condition has a status at the present generation."""
    found = item.get("status") or {}
    if found.get("observedGeneration") != item["metadata"].get("generation"):
        return False
    return any(c["type"] == name and c["status"] == status for c in found.get("conditions") or ())


def condition(item: Object, name: str = "Ready") -> tuple[str, str, str]:
    """(status, reason, message) of a condition."""
    found = next(c for c in item["status"]["conditions"] if c["type"] == name)
    return found["status"], found.get("reason", ""), found.get("message", "")


@asynccontextmanager
async def serving_live(*only: type[Loop]) -> AsyncIterator[Live]:
    """Runs an API and the controllers (`only` some of them); nothing serves and no pod runs."""
    async with embedded() as api, api.client() as client:
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        serving = Serving(client, only, Unresolved())
        task = asyncio.create_task(serving.run())
        try:
            yield Live(client, serving)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


SERVED = {
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "privateLoadBalancer": {"ingress": [{"domainInternal": "kourier-internal.kourier-system.svc"}]},
    "publicLoadBalancer": {"ingress": [{"domainInternal": "kourier.kourier-system.svc"}]},
}
NOW = "2026-01-01T00:00:00Z"


def service(name="hello", image="img:1", template=None, traffic=None, namespace="default"):
    spec = {"template": {"metadata": template or {}, "spec": {"containers": [{"image": image}]}}}
    if traffic:
        spec["traffic"] = traffic
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


async def up(live, revision):
    """As if the pods of a revision were ready and its PodAutoscaler active."""
    pa = await live.until(resources.POD_AUTOSCALERS, revision, lambda item: True)
    deployment = await live.until(resources.DEPLOYMENTS, f"{revision}-deployment", lambda item: True)
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    counts = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [progressing]}
    await live.status(resources.DEPLOYMENTS, deployment, counts)
    kinds = ("Active", "Ready", "SKSReady", "ScaleTargetInitialized")
    conditions = [{"type": k, "status": "True", "lastTransitionTime": NOW} for k in kinds]
    status = {"observedGeneration": 1, "conditions": conditions, "serviceName": revision}
    status |= {"metricsServiceName": f"{revision}-private", "actualScale": 1, "desiredScale": 1}
    await live.status(resources.POD_AUTOSCALERS, pa, status)


async def served(live, name="hello"):
    made = await live.until(resources.INGRESSES, name, lambda item: True)
    await live.status(
        resources.INGRESSES, made, {**SERVED, "observedGeneration": made["metadata"]["generation"]}
    )


MADE = (
    resources.KSERVICES,
    resources.CONFIGURATIONS,
    resources.ROUTES,
    resources.REVISIONS,
    resources.DEPLOYMENTS,
    resources.POD_AUTOSCALERS,
    resources.IMAGES,
    resources.INGRESSES,
)
"""What a Service becomes."""


async def settled_versions(live: Live) -> dict[str, str]:
    """The version of every object that a Service becomes, once the controllers have nothing left to do."""
    await live.settled()
    found = [item for kind in MADE for item in (await live.client.list(kind)).items]
    return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in found}
