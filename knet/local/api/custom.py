"""CustomResourceDefinitions at run time: what is defined is served, and goes with its definition."""

from __future__ import annotations

from collections.abc import Callable

from knet.local.api import crd
from knet.local.api.kinds import Kinds, Object
from knet.local.api.store import Change, Store

COLLECTION = "customresourcedefinitions.apiextensions.k8s.io"


class Custom:
    """Keeps the table of kinds in step with the definitions in the store."""

    def __init__(self, kinds: Kinds, store: Store, clock: Callable[[], str]) -> None:
        self._kinds, self._store, self._clock = kinds, store, clock
        for item in tuple(store.all(COLLECTION).values()):
            crd.register(kinds, item)
        store.listen(self._hear)

    def _hear(self, change: Change) -> None:
        if change.collection != COLLECTION:
            return
        if change.new is None:
            crd.unregister(self._kinds, change.last)
            self._drop_objects(change.last)
        else:
            self._serve(change.new)

    def _serve(self, item: Object) -> None:
        status = crd.status(item, self._kinds, self._clock())
        if item.get("status") == status:
            crd.register(self._kinds, item)
        else:  # it is heard of again with its status
            self._store.put(COLLECTION, ("", item["metadata"]["name"]), {**item, "status": status})

    def _drop_objects(self, item: Object) -> None:
        spec = item["spec"]
        collection = f"{spec['names']['plural']}.{spec['group']}"
        for key in tuple(self._store.all(collection)):
            self._store.remove(collection, key)
