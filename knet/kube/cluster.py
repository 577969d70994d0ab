"""What the controllers of one process share: a client, and one informer for each kind that any of them reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from knet.kube.client import Client, Object
from knet.kube.informer import Informer
from knet.kube.informers import Informers
from knet.kube.resources import Resource
from knet.kube.sync import Key

NONE: Mapping[Key, Object] = MappingProxyType({})
Terms = Callable[[Object], Iterable[str]]


class Index:
    """The objects of a kind by what they say of themselves, kept up as they change."""

    def __init__(self, terms: Terms) -> None:
        """`terms` gives what an object is found by."""
        self._terms = terms
        self._found: dict[str, dict[Key, Object]] = {}

    def change(self, key: Key, old: Object | None, new: Object | None) -> None:
        """An informer's handler."""
        for term in self._terms(old) if old is not None else ():
            held = self._found.get(term, {})
            held.pop(key, None)
            if not held:
                self._found.pop(term, None)
        for term in self._terms(new) if new is not None else ():
            self._found.setdefault(term, {})[key] = new or {}

    def get(self, term: str) -> Mapping[Key, Object]:
        return self._found.get(term, NONE)


class Cluster:
    """Register handlers with `on` and `index`, then `run`."""

    def __init__(
        self, client: Client, kinds: Iterable[Resource | Informer], shared: Informers | None = None
    ) -> None:
        """`kinds` are followed whole; an informer in their place says itself what it keeps of its kind. `shared` are
        informers that others in this process use too.
        """
        self.client = client
        follow = shared.get if shared else partial(Informer, client)
        made = (kind if isinstance(kind, Informer) else follow(kind) for kind in kinds)
        self._informers = {informer.resource: informer for informer in made}

    def store(self, kind: Resource) -> Mapping[Key, Any]:
        """All objects of a kind, by key."""
        return self._informers[kind].store

    def get(self, kind: Resource, key: Key) -> Any | None:
        """One object, if it is there."""
        return self._informers[kind].store.get(key)

    def within(self, kind: Resource, namespace: str) -> list[Object]:
        """The objects of a kind in one namespace."""
        return [item for key, item in self.store(kind).items() if key[0] == namespace]

    def on(self, kind: Resource, handler: Callable[[Key, Any, Any], None]) -> None:
        """Has every change of a kind told."""
        self._informers[kind].on_change(handler)

    def index(self, kind: Resource, terms: Terms) -> Index:
        """An index of a kind. Ask for it before `run`, and before `on` of those who use it."""
        made = Index(terms)
        self.on(kind, made.change)
        return made

    async def run(self) -> None:
        """Follows the API until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Waits until everything has been listed once."""
        for informer in self._informers.values():
            await informer.synced()
