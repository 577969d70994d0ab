"""Objects on SQLite: one counter of versions over all kinds, and the recent past for watches.

A write is in the database (WAL) before it is acknowledged or seen by anybody, so that a process that is
killed at any moment loses nothing it has confirmed. Nobody who writes waits for the disk, only a thread that brings
the log into the database now and then does: the loss of power may cost the last writes, which a laptop's embedded
cluster can bear.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knet.text import json

Object = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name)."""

HISTORY = 20_000
HISTORY_BYTES = 24 * 2**20
"""The past is bounded by number and by size (as JSON; in memory it is some eight times that): a rollout that writes its
evidence every few seconds must not fill the memory. A watch that comes too late for it begins anew.
"""
EACH = 500
"""Writes after which the log is brought into the database."""
_SCHEMA = """
create table if not exists objects (
  collection text, namespace text, name text, version integer, body blob,
  primary key (collection, namespace, name)
) without rowid;
create table if not exists counter (version integer);
"""


@dataclass(frozen=True, slots=True)
class Change:
    """An object was made (`old` None), changed or deleted (`new` None) at `version`."""

    version: int
    collection: str
    old: Object | None
    new: Object | None
    last: Object
    """The object as a watch shows it: `new`, or what was deleted at the version of its deletion."""


Listener = Callable[[Change], None]


class Store:
    """All objects, in memory for reading and in a file (or ":memory:") for keeping. One thread.

    Objects that go in and come out are never changed in place by anybody.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("pragma wal_autocheckpoint = 0")
        self._db.executescript(_SCHEMA)
        self._path, self._writes = str(path), 0
        self._checkpoint: threading.Thread | None = None
        if self._db.execute("select version from counter").fetchone() is None:
            self._db.execute("insert into counter values (1)")
        # an object's version is in its row; the counter says what a deletion took away
        self.version: int = self._db.execute(
            "select max(version) from (select version from counter union all select max(version) from objects)"
        ).fetchone()[0]
        self.oldest = self.version
        """Watches can begin here or later."""
        self._objects: dict[str, dict[Key, Object]] = {}
        for collection, namespace, name, body in self._db.execute(
            "select collection, namespace, name, body from objects"
        ):
            self._objects.setdefault(collection, {})[namespace, name] = json.loads(body)
        self._history: deque[tuple[Change, int]] = deque()
        self._held = 0
        self._listeners: dict[Listener, None] = {}

    def close(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.join()
        self._db.close()

    def get(self, collection: str, key: Key) -> Object | None:
        return self._objects.get(collection, {}).get(key)

    def all(self, collection: str) -> Mapping[Key, Object]:
        """The objects of a kind by key, in no order."""
        return self._objects.get(collection, {})

    def collections(self) -> tuple[str, ...]:
        return tuple(self._objects)

    def put(self, collection: str, key: Key, body: Object) -> Object:
        """Makes or replaces an object; gives it with its new resourceVersion."""
        version = self.version + 1
        made = {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}
        text = json.dumps(made)
        self._db.execute(
            "insert or replace into objects values (?, ?, ?, ?, ?)", (collection, *key, version, text)
        )
        self._wrote(version)
        held = self._objects.setdefault(collection, {})
        old = held.get(key)
        held[key] = made
        self._tell(Change(version, collection, old, made, made), len(text))
        return made

    def remove(self, collection: str, key: Key) -> Object:
        """Deletes an object; gives it as a watch shows it. Raises KeyError if there is none."""
        old = self._objects[collection][key]
        version = self.version + 1
        with _Transaction(self._db):
            self._db.execute(
                "delete from objects where collection = ? and namespace = ? and name = ?", (collection, *key)
            )
            self._db.execute("update counter set version = ?", (version,))
        self._wrote(version)
        del self._objects[collection][key]
        last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(version)}}
        self._tell(Change(version, collection, old, None, last), 0)
        return last

    def since(self, collection: str, version: int) -> Iterator[Change]:
        """What happened to a kind after `version`, which must not be older than `oldest`."""
        return (c for c, _ in tuple(self._history) if c.version > version and c.collection == collection)

    def at(self, collection: str, version: int) -> Mapping[Key, Object]:
        """The objects of a kind as they were at `version`, which must not be older than `oldest`."""
        found = dict(self.all(collection))
        for change in reversed(tuple(self.since(collection, version))):
            meta = change.last["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            if change.old is None:
                del found[key]
            else:
                found[key] = change.old
        return found

    def listen(self, listener: Listener) -> None:
        """Has every later change told, in order."""
        self._listeners[listener] = None

    def unlisten(self, listener: Listener) -> None:
        self._listeners.pop(listener, None)

    def forget(self) -> None:
        """Drops the past: watches must begin now."""
        self._history.clear()
        self._held = 0
        self.oldest = self.version

    def _tell(self, change: Change, size: int) -> None:
        self._history.append((change, size))
        self._held += size
        while len(self._history) > HISTORY or self._held > HISTORY_BYTES:
            gone, freed = self._history.popleft()
            self._held -= freed
            self.oldest = gone.version
        for listener in tuple(self._listeners):
            listener(change)

    def _wrote(self, version: int) -> None:
        """It is in the file."""
        self.version = version
        self._writes += 1
        if self._writes < EACH or self._path == ":memory:":
            return
        if self._checkpoint is None or not self._checkpoint.is_alive():
            self._writes = 0
            self._checkpoint = threading.Thread(target=_checkpoint, args=(self._path,), daemon=True)
            self._checkpoint.start()


def _checkpoint(path: str) -> None:
    """Brings the log into the database. It waits for the disk, which may take long, and holds nobody up."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(passive)")


class _Transaction:
    """All statements or none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("commit" if kind is None else "rollback")
