"""What every reconciler of Serving shares: a queue of keys, and how they come into it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from knet.kube.apply import apply_if_different
from knet.kube.client import Client, Object
from knet.kube.cluster import Cluster
from knet.kube.errors import ApiError, Conflict, NotFound
from knet.kube.events import Recorder
from knet.kube.objects import controller_of
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.kube.workqueue import WorkQueue
from knet.model import serving
from knet.serving.living import Event

T = TypeVar("T")

_BUSY = (429, 503)
_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


class ReconcileError(Exception):
    """A reconcile that ended early, in upstream's words: it is tried again."""


class Loop:
    """Reconciles the objects of one kind. Subclasses say how: `reconcile`; `component` is who tells of events."""

    resource: Resource
    component = "knet-serving-controller"
    lag = 0.0
    """Seconds for which a change of a child waits for the next. Where pods start, children change many times in a row,
    and what follows for their owner is told once.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue: WorkQueue[Key] = WorkQueue(self.resource.kind)
        self.events = Recorder(cluster.client, self.component)
        cluster.on(self.resource, lambda key, *_: self.queue.add(key))

    @property
    def client(self) -> Client:
        return self.cluster.client

    def owning(self, *children: Resource) -> None:
        """Has an object looked at when something that it controls changes."""
        for child in children:
            self.cluster.on(child, self._child_changed)

    def _child_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            name = controller_of(item, self.resource.kind) if item else ""
            if name:
                owner = key[0] if self.resource.namespaced else "", name
                self.queue.add_after(owner, self.lag if old and new else 0.0)

    def everything(self) -> None:
        """Has all objects looked at: something changed that concerns them all."""
        for key in self.cluster.store(self.resource):
            self.queue.add(key)

    async def run(self, workers: int = 8) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run())
            group.create_task(self.queue.run(self._look, workers))

    async def _look(self, key: Key) -> float | None:
        item = self.cluster.get(self.resource, key)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        try:
            return await self.reconcile(item)
        except Conflict:  # somebody was quicker, which is no fault
            raise
        except (ReconcileError, ApiError) as error:
            self.tell(item, _fault(error))
            raise

    async def reconcile(self, item: Object) -> float | None:
        """Brings about what an object asks for; seconds after which to look again, or None."""
        raise NotImplementedError

    async def ensure(self, kind: Resource, wanted: Object) -> Object:
        """Has an object say what is wanted, and gives it as it stands then.

        The spec of a kind of ours has to say nothing else: nobody fills in defaults there that the owner has not.
        """
        meta = wanted["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        current = self.cluster.get(kind, key)
        ours = kind.group.endswith("knative.dev")
        if current is not None and ours and current.get("spec") != wanted.get("spec", current.get("spec")):
            return await self.client.apply(kind, wanted)
        return await apply_if_different(self.client, kind, wanted, current)

    def tell(self, item: Object, events: Iterable[Event]) -> None:
        """Records events about an object."""
        for event in events:
            self.events.record(item, event.kind, event.reason, event.message)

    async def remove(self, kind: Resource, names: Iterable[str], namespace: str) -> None:
        """Deletes objects; those that are gone already are no error."""
        for name in names:
            try:
                await self.client.delete(kind, name, namespace)
            except NotFound:
                continue


def _fault(error: Exception) -> Iterable[Event]:
    """That a reconcile failed. An API that has too much to do already is not given events as well."""
    if not isinstance(error, ApiError):
        yield Event("Warning", "InternalError", str(error))
    elif error.status not in _BUSY:
        yield Event("Warning", "InternalError", error.message)


def plain(model: BaseModel, resource: Resource) -> Object:
    """A typed object as the API takes it."""
    made: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**made, "apiVersion": resource.api_version, "kind": resource.kind}


def unsaid(item: Object) -> Object:
    """Without what the server says, and without status: what is applied is ours alone."""
    meta = {key: value for key, value in item["metadata"].items() if key not in _SERVER}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def typed(model: type[T], item: Object) -> T:
    """An object of Serving from plain data; raises TypeError if it is of another kind.

    The same version of an object is read once: a Service is looked at whenever one of its children changes.
    """
    found = once(serving.parse, item)
    if not isinstance(found, model):
        raise TypeError(f"{item['kind']} is no {model.__name__}")
    return found


def once(parse: Callable[[Object], T], item: Object) -> T:
    """What `parse` makes of an object, made once for each version of it."""
    meta = item["metadata"]
    uid, version = meta.get("uid", ""), meta.get("resourceVersion", "")
    if not uid or not version:
        return parse(item)
    held = _READ.get((uid, parse))
    if held is None or held[0] != version:
        held = _READ[uid, parse] = version, parse(item)
        if len(_READ) > _MOST:
            _READ.pop(next(iter(_READ)))
    made: T = held[1]
    return made


_READ: dict[tuple[str, Callable[[Object], Any]], tuple[str, Any]] = {}
_MOST = 8192


def now() -> str:
    """The present moment as RFC 3339 text, as statuses have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
