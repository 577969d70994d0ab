"""The loop of Services: their Endpoints and EndpointSlices follow the pods that are ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.kube import resources
from knet.kube.apply import apply_if_different, covers
from knet.kube.errors import NotFound
from knet.kube.workqueue import WorkQueue
from knet.local.controllers import endpoints
from knet.local.controllers.cluster import Cluster, Key
from knet.local.controllers.objects import Object, labels, leaving, name, ready, spec

_OURS = (endpoints.OURS, endpoints.MIRROR)


class Endpoints:
    """Writes what differs, deletes what is left over. Endpoints of others are mirrored, not touched."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: WorkQueue[Key] = WorkQueue("endpoints")
        cluster.on(resources.SERVICES, lambda k, _old, _new: self._queue.add(k))
        cluster.on(resources.ENDPOINTS, lambda k, _old, _new: self._queue.add(k))
        cluster.on(resources.ENDPOINT_SLICES, self._slice_changed)
        self._choosing = cluster.index(resources.SERVICES, _by_selector)
        self._slices = cluster.index(resources.ENDPOINT_SLICES, _by_service)
        cluster.on(resources.PODS, self._pod_changed)

    async def run(self) -> None:
        await self._cluster.synced()
        await self._queue.run(self._handle)

    def _pod_changed(self, at: Key, old: Object | None, new: Object | None) -> None:
        goes = new is None or leaving(new) or (old is not None and ready(old) and not ready(new))
        for pod in (old, new):
            found = labels(pod).items() if pod is not None else ()
            for term in found:
                for key, service in self._choosing.get(_term(at[0], *term)).items():
                    if spec(service)["selector"].items() <= found:
                        self._queue.add_after(key, 0.0 if goes else _LAG_S)

    def _slice_changed(self, at: Key, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            if item is not None and labels(item).get(endpoints.MANAGED_BY) in _OURS:
                self._queue.add((at[0], labels(item).get(endpoints.SERVICE, "")))

    async def _handle(self, at: Key) -> None:
        service = self._cluster.store(resources.SERVICES).get(at)
        found = self._cluster.store(resources.ENDPOINTS).get(at)
        if service is None or leaving(service):
            if found is not None and _ours(found):
                await self._delete(resources.ENDPOINTS, at)
            await self._settle(at, [])
            return
        if spec(service).get("type") == "ExternalName":
            await self._settle(at, [])
        elif spec(service).get("selector"):
            pods = endpoints.pods_of(service, self._cluster.within(resources.PODS, at[0]))
            made = endpoints.endpoints(service, pods)
            made["metadata"]["annotations"] = {_MARK: "true"}
            if found is None or not _equal(found, made):
                await self._put(resources.ENDPOINTS, made, found)
            await self._settle(at, endpoints.slices(service, pods))
        elif found is not None:
            await self._settle(at, endpoints.mirrored({"kind": "Endpoints", **found}))

    async def _settle(self, at: Key, wanted: list[Object]) -> None:
        """The slices of a Service that are ours become exactly these."""
        found = self._slices.get(f"{at[0]}/{at[1]}").values()
        have = {name(s): s for s in found if labels(s).get(endpoints.MANAGED_BY) in _OURS}
        for item in wanted:
            current = have.pop(name(item), None)
            if current is not None and current.get("addressType") != item["addressType"]:
                await self._delete(resources.ENDPOINT_SLICES, (at[0], name(item)))
                current = None
            await apply_if_different(self._cluster.client, resources.ENDPOINT_SLICES, item, current, _MANAGER)
        for left in have:
            await self._delete(resources.ENDPOINT_SLICES, (at[0], left))

    async def _put(self, kind: resources.Resource, item: Object, current: Object | None) -> None:
        if current is None:
            await self._cluster.client.create(kind, item)
        else:
            version = current["metadata"]["resourceVersion"]
            meta = {**item["metadata"], "resourceVersion": version}
            await self._cluster.client.replace(kind, {**item, "metadata": meta})

    async def _delete(self, kind: resources.Resource, at: Key) -> None:
        try:
            await self._cluster.client.delete(kind, at[1], at[0])
        except NotFound:
            return


_LAG_S = 0.03
"""How much later a pod that comes is told of than one that goes: what happens to it meanwhile is told with it."""


def _by_selector(service: Object) -> tuple[str, ...]:
    """One of the labels that a Service asks for."""
    wanted = sorted((spec(service).get("selector") or {}).items())
    return (_term(service["metadata"]["namespace"], *wanted[-1]),) if wanted else ()


def _by_service(item: Object) -> tuple[str, ...]:
    """The Service that a slice belongs to."""
    return (f"{item['metadata']['namespace']}/{labels(item).get(endpoints.SERVICE, '')}",)


def _term(namespace: str, label: str, value: str) -> str:
    return f"{namespace}\0{label}\0{value}"


_MARK = "knet.dev/endpoints"
_MANAGER = "knet-endpoints"


def _ours(item: Object) -> bool:
    return _MARK in (item["metadata"].get("annotations") or {})


def _equal(current: Object, wanted: Mapping[str, Any]) -> bool:
    return (current.get("subsets") or []) == wanted["subsets"] and covers(
        labels(current), wanted["metadata"]["labels"]
    )
