"""The loops of Deployments and ReplicaSets: objects in, the plan's writes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.errors import AlreadyExists, NotFound
from knet.kube.objects import owner_reference
from knet.kube.workqueue import WorkQueue
from knet.local.controllers import deployment, replicaset
from knet.local.controllers.cluster import Cluster, Key
from knet.local.controllers.objects import (
    Object,
    active,
    controller_of,
    key,
    labels,
    leaving,
    name,
    selects,
    spec,
)

_SLOW_CACHE_S = 5.0
"""After so long, a pod that was made and never seen is taken for gone again."""
_AT_ONCE = 50
_LAG_S = 0.05
"""What is to be done is done at once. What came of it is told so much later: once for several changes, and out of the
way of a pod that somebody waits for.
"""


class ReplicaSets:
    """Makes and deletes pods. What it made and has not seen yet counts as there (client-go: expectations)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: WorkQueue[Key] = WorkQueue("replicaset")
        self._made: dict[Key, dict[str, float]] = {}
        self._deleted: dict[Key, dict[str, float]] = {}
        self._owned = cluster.index(resources.PODS, owner_of)
        self._loose = cluster.index(resources.PODS, _unowned)
        cluster.on(resources.REPLICA_SETS, partial(_look, self._queue))
        cluster.on(resources.PODS, self._pod_changed)

    async def run(self) -> None:
        await self._cluster.synced()
        await self._queue.run(self._handle)

    def _pod_changed(self, _key: Key, old: Object | None, new: Object | None) -> None:
        lag = _LAG_S if new is not None and active(new) else 0.0  # one that goes may have to be replaced
        for pod in (old, new):
            if pod is None:
                continue
            owner, (namespace, _) = controller_of(pod), key(pod)
            if owner and owner["kind"] == "ReplicaSet":
                self._queue.add_after((namespace, owner["name"]), lag)
            elif owner is None:  # an orphan that some set may adopt
                for item in self._cluster.within(resources.REPLICA_SETS, namespace):
                    if selects(spec(item).get("selector"), pod):
                        self._queue.add(key(item))

    async def _handle(self, at: Key) -> float | None:
        item = self._cluster.store(resources.REPLICA_SETS).get(at)
        if item is None:
            self._made.pop(at, None)
            self._deleted.pop(at, None)
            return None
        pods = await self._pods(item)
        now = time.time()
        waiting = self._unseen(at, pods, now)
        plan = replicaset.decide(item, pods, now)
        if not leaving(item) and not waiting and (plan.create or plan.delete):
            await self._create(at, item, plan.create)
            for pod in plan.delete:
                await self._delete(at, pod)
            return _LAG_S
        await set_status(self._cluster.client, resources.REPLICA_SETS, item, plan.status)
        return _SLOW_CACHE_S if waiting else plan.again

    async def _pods(self, item: Object) -> list[Object]:
        """The pods of a set; those without a controller that it selects are adopted first."""
        found = list(self._owned.get(item["metadata"]["uid"]).values())
        loose = () if leaving(item) else self._loose.get(item["metadata"]["namespace"]).values()
        chosen = [p for p in loose if not leaving(p) and selects(spec(item).get("selector"), p)]
        return found + [await self._adopt(pod, item) for pod in chosen]

    async def _adopt(self, pod: Object, item: Object) -> Object:
        owners = [*(pod["metadata"].get("ownerReferences") or ()), owner_reference(item)]
        change = {"metadata": {"uid": pod["metadata"]["uid"], "ownerReferences": owners}}
        return await self._cluster.client.patch(
            resources.PODS, name(pod), change, pod["metadata"]["namespace"]
        )

    def _unseen(self, at: Key, pods: list[Object], now: float) -> bool:
        have = {pod["metadata"]["uid"] for pod in pods}
        alive = {pod["metadata"]["uid"] for pod in pods if not leaving(pod)}
        made = {u: t for u, t in self._made.get(at, {}).items() if u not in have and t > now - _SLOW_CACHE_S}
        gone = {u: t for u, t in self._deleted.get(at, {}).items() if u in alive and t > now - _SLOW_CACHE_S}
        self._made[at], self._deleted[at] = made, gone
        return bool(made or gone)

    async def _create(self, at: Key, item: Object, count: int) -> None:
        for _ in range(min(count, _AT_ONCE)):
            pod = await self._cluster.client.create(resources.PODS, replicaset.new_pod(item))
            self._made[at][pod["metadata"]["uid"]] = time.time()

    async def _delete(self, at: Key, pod: str) -> None:
        uid = self._cluster.store(resources.PODS)[at[0], pod]["metadata"]["uid"]
        try:
            await self._cluster.client.delete(resources.PODS, pod, at[0], uid=uid)
        except NotFound:
            return
        self._deleted[at][uid] = time.time()


class Deployments:
    """Makes, scales and deletes ReplicaSets."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: WorkQueue[Key] = WorkQueue("deployment")
        self._owned = cluster.index(resources.REPLICA_SETS, owner_of)
        cluster.on(resources.DEPLOYMENTS, partial(_look, self._queue))
        cluster.on(resources.REPLICA_SETS, self._set_changed)

    async def run(self) -> None:
        await self._cluster.synced()
        await self._queue.run(self._handle)

    def _set_changed(self, at: Key, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            owner = controller_of(item) if item else None
            if owner and owner["kind"] == "Deployment":
                self._queue.add_after((at[0], owner["name"]), _LAG_S if new is not None else 0.0)

    async def _handle(self, at: Key) -> float | None:
        item = self._cluster.store(resources.DEPLOYMENTS).get(at)
        if item is None or leaving(item):
            return None
        namespace, client = at[0], self._cluster.client
        sets = self._owned.get(item["metadata"]["uid"]).values()
        plan = deployment.decide(item, [s for s in sets if not leaving(s)], time.time())
        if plan.create is not None:
            try:
                await client.create(resources.REPLICA_SETS, plan.create)
            except AlreadyExists:
                await self._adopt(plan.create, item)
        for title, revision in plan.revisions.items():
            note = {"metadata": {"annotations": {deployment.REVISION: revision}}}
            await client.patch(resources.REPLICA_SETS, title, note, namespace)
        for title, replicas in plan.scale.items():
            await client.patch(resources.REPLICA_SETS, title, {"spec": {"replicas": replicas}}, namespace)
        for title in plan.delete:
            await client.delete(resources.REPLICA_SETS, title, namespace, propagation="Background")
        if plan.create is not None or plan.scale or plan.delete:
            return _LAG_S
        item = await self._note_revision(item, plan.revision)
        await set_status(client, resources.DEPLOYMENTS, item, plan.status)
        return plan.again

    async def _adopt(self, wanted: Object, owner: Object) -> None:
        """A set of that name stands already: ours as soon as the cache shows it, or an orphan to take over."""
        namespace, title = key(wanted)
        found = await self._cluster.client.get(resources.REPLICA_SETS, title, namespace)
        if controller_of(found) is None:
            change = {"metadata": {"ownerReferences": [owner_reference(owner)], "labels": labels(wanted)}}
            await self._cluster.client.patch(resources.REPLICA_SETS, title, change, namespace)

    async def _note_revision(self, item: Object, revision: str) -> Object:
        notes: Mapping[str, Any] = item["metadata"].get("annotations") or {}
        if revision in ("0", "", notes.get(deployment.REVISION)):
            return item
        change = {"metadata": {"annotations": {deployment.REVISION: revision}}}
        namespace, title = key(item)
        return await self._cluster.client.patch(resources.DEPLOYMENTS, title, change, namespace)


def owner_of(item: Object) -> tuple[str, ...]:
    """The uid of an object's controller: what it is found by."""
    owner = controller_of(item)
    return (owner["uid"],) if owner else ()


def _unowned(item: Object) -> tuple[str, ...]:
    return () if controller_of(item) else (item["metadata"]["namespace"],)


def _look(queue: WorkQueue[Key], at: Key, old: Object | None, new: Object | None) -> None:
    """Has an object looked at: at once if it asks for something else, later if only what is told of it is other."""
    same = old is not None and new is not None and spec(old) == spec(new) and leaving(old) == leaving(new)
    queue.add_after(at, _LAG_S if same else 0.0)


async def run(cluster: Cluster) -> None:
    """Both, until cancelled."""
    sets, deployments = ReplicaSets(cluster), Deployments(cluster)
    async with asyncio.TaskGroup() as group:
        group.create_task(sets.run())
        group.create_task(deployments.run())
