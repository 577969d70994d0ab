"""Watches: what happens to a kind, as JSON lines, to everybody who asked.

Each event is written out once for all. A watcher that does not take what it is sent is ended with 410; it
lists again (kubernetes.io: API concepts, efficient detection of changes).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from knet.local.api.errors import expired
from knet.local.api.kinds import Kind
from knet.local.api.selectors import Test
from knet.local.api.store import Change, Object, Store
from knet.text import json

MOST = 10_000
"""Events that one watcher may be behind."""
BOOKMARK_S = 60.0
EACH_S = 0.0001
"""With N watchers of a kind, one of them is written to once in N times so long: what it costs to write to
all of them must not keep writers waiting. Who is told seldom is told at once."""

Shape = Callable[[Object], Any]
"""What a watcher sees of an object: itself, or a Table row."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one watcher wants. `test` selects; `namespace` "" is all; `key` shares lines with others."""

    kind: Kind
    namespace: str
    test: Test
    selects: bool
    version: int | None
    bookmarks: bool = False
    initial: bool = False
    seconds: float | None = None
    shape: Shape | None = None


@dataclass(eq=False, slots=True)
class _Watcher:
    asked: Asked
    pending: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    behind: bool = False
    ended: bool = False


class Watches:
    """All watchers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchers: dict[str, dict[_Watcher, None]] = {}
        store.listen(self._hear)

    def interrupt(self) -> None:
        """Ends every watch, as a server does from time to time; clients take them up again."""
        for found in self._watchers.values():
            for watcher in found:
                watcher.ended = True
                watcher.wake.set()

    def check(self, version: int | None) -> None:
        """Raises Refused (410) for a version that is no longer kept."""
        if version is not None and version < self._store.oldest:
            raise expired()

    def __len__(self) -> int:
        return sum(map(len, self._watchers.values()))

    async def lines(self, asked: Asked) -> AsyncIterator[bytes]:
        """The lines of one watch, for ever or for as long as it asked for. `check` its version first.

        What waits comes at once: one or several whole lines.
        """
        store, collection = self._store, asked.kind.collection
        watcher = _Watcher(asked)
        if asked.version is None:
            for key in sorted(store.all(collection)):
                item = store.all(collection)[key]
                if _concerns(asked, item):
                    watcher.pending.append(_line(asked, "ADDED", item))
            if asked.initial:
                watcher.pending.append(self._bookmark(asked, initial=True))
        else:
            for change in store.since(collection, asked.version):
                _add(watcher, change, {})
        self._watchers.setdefault(collection, {})[watcher] = None
        try:
            async for line in self._follow(watcher):
                yield line
        finally:
            self._watchers[collection].pop(watcher, None)

    async def _follow(self, watcher: _Watcher) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + watcher.asked.seconds if watcher.asked.seconds else None
        others = self._watchers[watcher.asked.kind.collection]
        last = 0.0
        while not watcher.ended:
            if watcher.pending:
                if (early := last + len(others) * EACH_S - loop.time()) > 0:
                    await asyncio.sleep(early)
                last = loop.time()
                lines = b"".join(watcher.pending)
                watcher.pending.clear()
                yield lines
                continue
            if watcher.behind:
                status = expired().status()
                yield json.dumps({"type": "ERROR", "object": status}) + b"\n"
                return
            left = BOOKMARK_S if end is None else min(end - loop.time(), BOOKMARK_S)
            if left <= 0:
                return
            watcher.wake.clear()
            try:
                async with asyncio.timeout(left):
                    await watcher.wake.wait()
            except TimeoutError:
                if watcher.asked.bookmarks and (end is None or loop.time() < end):
                    yield self._bookmark(watcher.asked)

    def _bookmark(self, asked: Asked, *, initial: bool = False) -> bytes:
        meta: Object = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        item = {"kind": asked.kind.kind, "apiVersion": asked.kind.api_version, "metadata": meta}
        return json.dumps({"type": "BOOKMARK", "object": item}) + b"\n"

    def _hear(self, change: Change) -> None:
        shared: dict[tuple[str, str], bytes] = {}
        for watcher in self._watchers.get(change.collection, ()):
            if _add(watcher, change, shared):
                watcher.wake.set()


def _add(watcher: _Watcher, change: Change, shared: dict[tuple[str, str], bytes]) -> bool:
    """Puts a change before a watcher if it concerns it; what leaves its selection is DELETED to it."""
    asked = watcher.asked
    was = change.old is not None and _concerns(asked, change.old)
    now = change.new is not None and _concerns(asked, change.new)
    if not was and not now:
        return False
    kind = "ADDED" if not was else "MODIFIED" if now else "DELETED"
    if asked.shape is not None:
        line = _line(asked, kind, change.last)
    else:
        name = (kind, asked.kind.version)
        line = shared.get(name) or shared.setdefault(name, _line(asked, kind, change.last))
    if len(watcher.pending) >= MOST:
        watcher.behind = True
        watcher.pending.clear()
    if not watcher.behind:
        watcher.pending.append(line)
    return True


def _concerns(asked: Asked, item: Object) -> bool:
    if asked.namespace and item["metadata"].get("namespace") != asked.namespace:
        return False
    return not asked.selects or asked.test(item)


def _line(asked: Asked, kind: str, item: Object) -> bytes:
    if item["apiVersion"] != asked.kind.api_version:
        item = {**item, "apiVersion": asked.kind.api_version}
    shown = asked.shape(item) if asked.shape else item
    return json.dumps({"type": kind, "object": shown}) + b"\n"
