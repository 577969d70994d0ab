"""What the objects of a cluster say about a rollout: plain objects in, facts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.model.digits import whole
from knet.rollout import traffic
from knet.serving.ingress import TAG_HEADERS
from knet.serving.shares import Target

Object = Mapping[str, Any]

MANAGER = "knet-canary"
"""Who writes the traffic block, in managedFields: what GitOps tools are told to leave alone (docs/canary.md)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The Service, its Route, and by name its Revisions and their PodAutoscalers, as they are; None: not there."""

    service: Object
    route: Object | None = None
    revisions: Mapping[str, Object] = field(default_factory=dict)
    autoscalers: Mapping[str, Object] = field(default_factory=dict)

    @property
    def block(self) -> tuple[Target, ...]:
        return traffic.read(self.service.get("spec", {}).get("traffic"))

    @property
    def audience(self) -> str:
        """Which header leads to which tag, by the Service's annotation."""
        notes = self.service["metadata"].get("annotations") or {}
        return str(notes.get(TAG_HEADERS) or "")

    @property
    def settled(self) -> bool:
        """Whether the Service's controller has looked at it as it is."""
        return _current(self.service)

    def latest(self, which: str) -> str:
        """`Created` or `Ready`."""
        return str(_status(self.service).get(f"latest{which}RevisionName") or "")

    def served(self) -> bool:
        """Whether the gateway serves the block as it is written."""
        route = self.route
        if route is None or not (self.settled and _current(route)) or ready(route) != "True":
            return False
        wanted = {(t.revision, t.percent, t.tag) for t in self.block if t.percent and t.revision}
        found = {
            (t.get("revisionName"), t.get("percent") or 0, t.get("tag") or "")
            for t in _status(route).get("traffic") or ()
        }
        return wanted <= found

    def failure(self, name: str) -> str:
        """Why a revision cannot run; "" if it can, or may yet."""
        revision = self.revisions.get(name)
        if revision is None or ready(revision) != "False":
            return ""
        found = _condition(revision)
        return f"{name}: {found.get('reason', '')}: {found.get('message', '')}".strip(": ")

    def created(self, name: str) -> bool:
        """Whether a revision is ready."""
        revision = self.revisions.get(name)
        return revision is not None and ready(revision) == "True"

    def pods(self, name: str) -> int | None:
        """How many pods of a revision are ready; None where nobody says."""
        scaled = _status(self.autoscalers.get(name) or {}).get("actualScale")
        if isinstance(scaled, int):
            return scaled
        counted = _status(self.revisions.get(name) or {}).get("actualReplicas")
        return counted if isinstance(counted, int) else None

    def needed(self, stable: str, canary: str, share: int, weight: int) -> int:
        """Pods that the canary needs for `weight`, by what the stable revision has for its share now.

        Of those the last one may be all but idle: so it counts as nothing, and every share as one more.
        """
        busy = max(0, (self.pods(stable) or 0) - 1)
        return min(int(busy * weight / max(1, 100 - share) + 1e-9) + 1, self._most(canary))

    def capacity(self, stable: str, canary: str, share: int) -> int:
        """The largest share that the canary's pods can carry."""
        if not self.created(canary):
            return 0
        pods = self.pods(canary)
        if pods is None or pods >= self._most(canary):
            return 100
        fitting = (w for w in range(100, 0, -1) if self.needed(stable, canary, share, w) <= pods)
        return next(fitting, 0)

    def _most(self, name: str) -> int:
        notes = (self.revisions.get(name) or {}).get("metadata", {}).get("annotations") or {}
        text = str(
            notes.get("autoscaling.knative.dev/max-scale")
            or notes.get("autoscaling.knative.dev/maxScale")
            or ""
        )
        return whole(text) or 1_000_000


def owner(service: Object) -> str:
    """Who wrote the traffic block last, and when, by managedFields; "" where nobody says."""
    held = [
        entry
        for entry in service.get("metadata", {}).get("managedFields") or ()
        if "f:traffic" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}) and not entry.get("subresource")
    ]
    others = [entry for entry in held if entry.get("manager") != MANAGER]
    if not others:
        return ""
    last = max(others, key=lambda e: str(e.get("time") or ""))
    return f"{last.get('manager')} at {last.get('time')}" if last.get("time") else str(last.get("manager"))


def shares(block: Iterable[Target]) -> str:
    """A block in words."""
    return ", ".join(f"{t.name} {t.percent} %" for t in block if t.percent) or "nothing"


def ready(item: Object) -> str:
    return str(_condition(item).get("status") or "Unknown")


def _condition(item: Object) -> Mapping[str, Any]:
    found = (c for c in _status(item).get("conditions") or () if c.get("type") == "Ready")
    return next(found, {})


def _status(item: Object) -> Mapping[str, Any]:
    return item.get("status") or {}


def _current(item: Object) -> bool:
    return bool(_status(item).get("observedGeneration") == item["metadata"].get("generation"))
