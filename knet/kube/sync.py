"""What an informer knows, as a state machine without I/O: lists and watch events in, changes out.

A list after a gap is compared with what was known, so that no deletion is ever lost (decision 0002:
kopf loses them over a 410).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-wide object is ""."""


@dataclass(frozen=True, slots=True)
class Change:
    """An object was made (`old` None), changed, or deleted (`new` None)."""

    key: Key
    old: Any
    new: Any


def key_of(item: Mapping[str, Any]) -> Key:
    """The key of a raw object."""
    meta = item["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])


@dataclass(slots=True)
class Sync:
    """The store of one kind. `keep` makes what is stored of a raw object, once for each version of it.

    `resource_version` is where a watch goes on.
    """

    keep: Callable[[dict[str, Any]], Any] = lambda item: item
    resource_version: str = ""
    _store: dict[Key, Any] = field(default_factory=dict)
    _versions: dict[Key, str] = field(default_factory=dict)
    _kept: dict[Key, tuple[str, Any]] = field(default_factory=dict)

    @property
    def store(self) -> Mapping[Key, Any]:
        """What is known, by key. Read only."""
        return MappingProxyType(self._store)

    def prepare(self, items: Iterable[dict[str, Any]]) -> None:
        """A part of a list came: does what it can before `listed`, which has to have all of it."""
        for item in items:
            key, version = key_of(item), _version(item)
            if version and self._versions.get(key) != version:
                self._kept[key] = version, self.keep(item)

    def listed(self, items: Iterable[dict[str, Any]], resource_version: str) -> Iterator[Change]:
        """A whole list came. Yields what differs from what was known, deletions included."""
        seen = {key_of(item): item for item in items}
        self.resource_version = resource_version
        for key in [k for k in self._store if k not in seen]:
            yield self._drop(key)
        for key, item in seen.items():
            yield from self._put(key, item)
        self._kept.clear()

    def event(self, kind: str, item: dict[str, Any]) -> Iterator[Change]:
        """An event of a watch came."""
        self.resource_version = str(item["metadata"].get("resourceVersion", self.resource_version))
        if kind == "BOOKMARK":
            return
        key = key_of(item)
        if kind != "DELETED":
            yield from self._put(key, item)
        elif key in self._store:
            yield self._drop(key)

    def _put(self, key: Key, item: dict[str, Any]) -> Iterator[Change]:
        version = _version(item)
        if version and self._versions.get(key) == version:
            return
        prepared, new = self._kept.pop(key, ("", None))
        if not version or prepared != version:
            new = self.keep(item)
        old = self._store.get(key)
        self._store[key], self._versions[key] = new, version
        yield Change(key, old, new)

    def _drop(self, key: Key) -> Change:
        self._versions.pop(key, None)
        return Change(key, self._store.pop(key), None)


def _version(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("resourceVersion", ""))
