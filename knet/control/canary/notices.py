"""Notifications: what happens to a rollout, posted to whoever wants to hear it.

Nothing waits for a receiver. Of one Canary a receiver hears in order, each thing at most once: who dies between
writing a status and telling it leaves it untold, for it is in the history and the Events all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from knet.control.canary import hooks
from knet.model.canary import Canary

PATIENCE_S = 10.0
RETRIES = 2
WAITING = 50
"""Messages that wait for one receiver at the most: one that is away for long hears the newest when it is back."""

_log = logging.getLogger(__name__)
Entry = Mapping[str, Any]


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Entry]:
    """The entries of the history of a Canary's status that were not there before."""
    known = Counter(_words(h) for h in before.get("history") or ())
    fresh = []
    for entry in after.get("history") or ():
        words = _words(entry)
        if known[words]:
            known[words] -= 1
        else:
            fresh.append(entry)
    return fresh


def _words(entry: Entry) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((k, str(v)) for k, v in entry.items()))


def message(made: Canary, status: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """What a receiver is told of an entry of the history."""
    return {
        "namespace": made.metadata.namespace,
        "canary": made.metadata.name,
        "service": made.spec.service,
        "stableRevision": status.get("stableRevision", ""),
        "canaryRevision": entry["canary"],
        "time": entry["time"],
        "phase": entry["phase"],
        "weight": entry["weight"],
        "reason": entry["reason"],
        "message": entry["message"],
    }


class Notices:
    """Belongs to one event loop."""

    def __init__(self, patience: float = PATIENCE_S, retries: int = RETRIES) -> None:
        """`patience` is how long a receiver has for one try."""
        self._patience, self._retries = patience, retries
        self._waiting: dict[tuple[str, str, str], deque[dict[str, Any]]] = {}
        self._tasks: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    def tell(self, made: Canary, status: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        """Has all receivers of a Canary hear of some entries of its history, some time."""
        for receiver in made.spec.notify:
            key = (*made.key, receiver.url)
            waiting = self._waiting.setdefault(key, deque(maxlen=WAITING))
            waiting.extend(message(made, status, entry) for entry in entries)
            if waiting and key not in self._tasks:
                self._tasks[key] = asyncio.create_task(self._send(key, waiting))

    async def _send(self, key: tuple[str, str, str], waiting: deque[dict[str, Any]]) -> None:
        try:
            while waiting:
                ok, said = await hooks.post(key[2], waiting.popleft(), self._patience, self._retries)
                if not ok:
                    _log.warning("a notification of Canary %s/%s was not taken: %s", *key[:2], said)
        finally:
            del self._tasks[key], self._waiting[key]

    async def close(self, patience: float = 0.0) -> None:
        """Ends; what is not told after `patience` seconds stays untold."""
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
