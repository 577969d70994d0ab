"""The loop of garbage collection, and of namespaces that are being deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import ApiError, Conflict, NotFound
from knet.kube.informer import Informer
from knet.kube.informers import Informers
from knet.kube.resources import Resource
from knet.kube.workqueue import WorkQueue
from knet.local.controllers import ownership
from knet.local.controllers.objects import Object, leaving
from knet.local.controllers.ownership import Verdict
from knet.text import json

At = tuple[Resource, str, str]
"""(kind, namespace, name)."""

_LEFT_ALONE = frozenset({("", "events"), ("events.k8s.io", "events"), ("coordination.k8s.io", "leases")})


class Collector:
    """Follows every kind that the API has, those that are defined later too."""

    def __init__(self, client: Client, shared: Informers | None = None) -> None:
        self._client = client
        self._shared = shared or Informers(client)
        self._alone = shared is None
        self._informers: dict[Resource, Informer] = {}
        self._queue: WorkQueue[At] = WorkQueue("garbage")
        self._uids: dict[str, At] = {}
        self._owned: dict[str, set[At]] = {}
        self._definitions = self._shared.get(resources.CUSTOM_RESOURCE_DEFINITIONS)
        self._definitions.on_change(lambda *_: self._changed.set())
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._alone:
                group.create_task(self._shared.run())
            await self._definitions.synced()
            await self._discover()
            group.create_task(self._follow_kinds())
            group.create_task(self._queue.run(self._handle))

    async def _follow_kinds(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._discover()

    async def _discover(self) -> None:
        """Begins to follow kinds that are new, and ends to follow those that are gone."""
        wanted = set(await kinds(self._client))
        for kind in wanted - self._informers.keys():
            informer = self._shared.get(kind)
            informer.on_change(lambda _key, old, new, kind=kind: self._seen(kind, old, new))  # type: ignore[misc]
            self._informers[kind] = informer
        for kind in self._informers.keys() - wanted:
            self._shared.drop(kind)
            del self._informers[kind]
        for informer in tuple(self._informers.values()):
            await informer.synced()

    def _seen(self, kind: Resource, old: Object | None, new: Object | None) -> None:
        for item, there in ((old, False), (new, True)):
            if item is None:
                continue
            meta = item["metadata"]
            at = (kind, str(meta.get("namespace", "")), str(meta["name"]))
            owners = [o["uid"] for o in meta.get("ownerReferences") or ()]
            if there:
                self._uids[meta["uid"]] = at
            elif new is None or new["metadata"]["uid"] != meta["uid"]:
                self._uids.pop(meta["uid"], None)
                for dependent in self._owned.pop(meta["uid"], ()):
                    self._queue.add(dependent)
            for uid in owners:
                held = self._owned.setdefault(uid, set())
                (held.add if there else held.discard)(at)
                if uid in self._uids:  # an owner may wait for this one
                    self._queue.add(self._uids[uid])
            if there and (owners or leaving(item)):
                self._queue.add(at)
            self._wake_namespace(at[1])

    def _wake_namespace(self, namespace: str) -> None:
        found = self._namespace(namespace)
        if found is not None and leaving(found):
            self._queue.add((resources.NAMESPACES, "", namespace))

    def _namespace(self, name: str) -> Object | None:
        informer = self._informers.get(resources.NAMESPACES)
        return informer.store.get(("", name)) if informer else None

    async def _handle(self, at: At) -> None:
        kind, namespace, name = at
        informer = self._informers.get(kind)
        item = informer.store.get((namespace, name)) if informer else None
        if item is None:
            return
        if kind == resources.NAMESPACES and leaving(item):
            await self._empty(item)
        elif ownership.finalizing(item, ownership.ORPHAN):
            await self._orphan(item)
            await self._release(kind, item, ownership.ORPHAN)
        elif ownership.finalizing(item, ownership.FOREGROUND):
            await self._foreground(kind, item)
        elif ownership.judge(item, self._alive) is Verdict.DELETE:
            await self._delete(at, item)

    def _alive(self, owner: Object) -> bool | None:
        if owner["uid"] in self._uids:
            return True
        group, _, version = owner["apiVersion"].rpartition("/")
        known = any((k.group, k.version, k.kind) == (group, version, owner["kind"]) for k in self._informers)
        return False if known else None

    def _dependents(self, item: Object) -> Iterator[tuple[At, Object]]:
        for at in sorted(self._owned.get(item["metadata"]["uid"], ()), key=str):
            informer = self._informers.get(at[0])
            found = informer.store.get(at[1:]) if informer else None
            if found is not None:
                yield at, found

    async def _foreground(self, kind: Resource, item: Object) -> None:
        dependents = list(self._dependents(item))
        for at, found in dependents:
            if not leaving(found):
                await self._delete(at, found, propagation="Foreground")
        if not ownership.waits_for(item, (found for _, found in dependents)):
            await self._release(kind, item, ownership.FOREGROUND)

    async def _orphan(self, item: Object) -> None:
        uid = item["metadata"]["uid"]
        for (kind, namespace, name), found in list(self._dependents(item)):
            left = ownership.without_owner(found, uid)
            patch = {"metadata": {"uid": found["metadata"]["uid"], "ownerReferences": left or None}}
            await self._client.patch(kind, name, patch, namespace)

    async def _release(self, kind: Resource, item: Object, finalizer: str) -> None:
        meta = item["metadata"]
        left = [f for f in meta["finalizers"] if f != finalizer]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": left or None}}
        try:
            await self._client.patch(kind, meta["name"], patch, meta.get("namespace"))
        except NotFound:
            return

    async def _delete(self, at: At, item: Object, propagation: str = "Background") -> None:
        kind, namespace, name = at
        try:
            await self._client.delete(
                kind, name, namespace, propagation=propagation, uid=item["metadata"]["uid"]
            )
        except (NotFound, Conflict):
            return  # it is gone, or another of that name stands there now

    async def _empty(self, namespace: Object) -> None:
        """Deletes everything in a namespace that is being deleted; the last one out releases it."""
        name, left = namespace["metadata"]["name"], 0
        for kind, informer in self._informers.items():
            if not kind.namespaced:
                continue
            for key, item in list(informer.store.items()):
                if key[0] == name:
                    left += 1
                    if not leaving(item):
                        await self._delete((kind, *key), item)
        for kind in (resources.EVENTS, resources.LEASES):
            await self._client.delete_collection(kind, name)
        if not left and "kubernetes" in (namespace.get("spec") or {}).get("finalizers", ()):
            body = {**namespace, "spec": {**namespace["spec"], "finalizers": []}}
            await self._client.replace(resources.NAMESPACES, body, subresource="finalize")


async def kinds(client: Client) -> list[Resource]:
    """Every kind of the API that can be listed, watched and deleted, in its preferred version."""
    found = [("", "v1", json.loads(await client.raw("/api/v1")))]
    groups = json.loads(await client.raw("/apis"))["groups"]
    for group in groups:
        version = group["preferredVersion"]["version"]
        try:
            found.append(
                (group["name"], version, json.loads(await client.raw(f"/apis/{group['name']}/{version}")))
            )
        except ApiError:
            continue  # it went while we asked; its definition's change is told soon
    made = [
        Resource(group, version, r["name"], r["kind"], r["namespaced"])
        for group, version, said in found
        for r in said["resources"]
        if "/" not in r["name"] and {"list", "watch", "delete"} <= set(r["verbs"])
    ]
    return [kind for kind in made if (kind.group, kind.plural) not in _LEFT_ALONE]
