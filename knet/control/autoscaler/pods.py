"""What the autoscaler keeps of a pod, and how many pods of a revision are in which state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from knet.kube import resources
from knet.kube.client import Client
from knet.kube.informer import Informer
from knet.kube.sync import Key
from knet.model.serving import REVISION_LABEL


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a revision. `started` is seconds since 1970, 0 before it runs."""

    name: str
    revision: Key
    phase: str
    ready: bool
    leaving: bool
    ip: str
    started: float


@dataclass(slots=True)
class Counts:
    """How many pods of a revision are in which state. Pending ones and those that leave count as not ready too; one that
    leaves before it ran is pending.
    """

    ready: int = 0
    not_ready: int = 0
    pending: int = 0
    terminating: int = 0

    def add(self, pod: Pod, sign: int = 1) -> None:
        """Counts a pod in, or out with sign -1. One that has ended, or of which nobody knows, counts nowhere."""
        if pod.phase == "Pending":
            self.pending += sign
            self.not_ready += sign
        elif pod.phase == "Running":
            self.terminating += sign * pod.leaving
            if pod.ready and not pod.leaving:
                self.ready += sign
            else:
                self.not_ready += sign


def read(item: dict[str, Any]) -> Pod:
    """A pod of plain data."""
    meta, status = item["metadata"], item.get("status") or {}
    conditions = status.get("conditions") or ()
    return Pod(
        meta["name"],
        (meta.get("namespace", ""), (meta.get("labels") or {}).get(REVISION_LABEL, "")),
        status.get("phase", "Pending"),
        any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
        bool(meta.get("deletionTimestamp")),
        status.get("podIP") or "",
        _moment(status.get("startTime")),
    )


def informer(client: Client) -> Informer:
    """Follows the pods of all revisions, and keeps little of each."""
    return Informer(client, resources.PODS, labels=REVISION_LABEL, keep=read)


class Population:
    """The pods of every revision, counted as they change."""

    def __init__(self) -> None:
        self._counts: dict[Key, Counts] = {}
        self._pods: dict[Key, dict[str, Pod]] = {}
        self._changed: list[Callable[[Key], None]] = []

    def on_change(self, handler: Callable[[Key], None]) -> None:
        """Has every revision named whose counts have changed."""
        self._changed.append(handler)

    def change(self, _: Key, old: Pod | None, new: Pod | None) -> None:
        """An informer's handler."""
        touched = dict.fromkeys(pod.revision for pod in (old, new) if pod)
        if old:
            self._counts[old.revision].add(old, -1)
            held = self._pods[old.revision]
            held.pop(old.name, None)
            if not held and (new is None or new.revision != old.revision):
                del self._pods[old.revision], self._counts[old.revision]
        if new:
            self._counts.setdefault(new.revision, Counts()).add(new)
            self._pods.setdefault(new.revision, {})[new.name] = new
        for revision in touched:
            for handler in self._changed:
                handler(revision)

    def counts(self, revision: Key) -> Counts:
        return self._counts.get(revision) or Counts()

    def pods(self, revision: Key) -> Iterable[Pod]:
        return self._pods.get(revision, {}).values()


def _moment(text: str | None) -> float:
    return dt.datetime.fromisoformat(text).timestamp() if text else 0.0
