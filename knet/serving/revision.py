"""A Revision and what there is of it → the objects it wants, and its status. Pure and re-runnable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.model.serving import Revision
from knet.serving.conditions import HAPPY, TRUE
from knet.serving.deployment import make_deployment, make_images
from knet.serving.living import Event
from knet.serving.revision_autoscaler import make_podautoscaler
from knet.serving.revision_names import deployment_name
from knet.serving.revision_status import RevisionStatus
from knet.serving.settings import Settings

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Digests:
    """What the images of a revision's containers are, by container name.

    `found` has a digest, or "" where the tag is to be used as it is. None: it is still being looked for.
    `notes` say why some are used by their tags; they are told once.
    """

    found: Mapping[str, str] | None = None
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class RevisionWorld:
    """What a Revision looks at: its children as they stand, and the pods of its Deployment, newest first."""

    settings: Settings
    digests: Digests
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    autoscaler: Object | None = None
    images: Collection[str] = ()


@dataclass(slots=True)
class RevisionOutcome:
    """What is to be; a child that is None is left as it is. `error`: why the reconcile ended early."""

    status: Object = field(default_factory=dict)
    deployment: Object | None = None
    autoscaler: Object | None = None
    images: list[Object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    error: str = ""


def reconcile(revision: Revision, world: RevisionWorld, now: str) -> RevisionOutcome:
    """Everything that follows from a Revision that is `revision_defaults.settled`. `now` is RFC 3339 text."""
    work = _Reconcile(revision, world, now)
    work.run()
    work.out.status = work.status.dump()
    return work.out


class _Reconcile:
    def __init__(self, revision: Revision, world: RevisionWorld, now: str) -> None:
        self.revision = revision
        self.world = world
        self.status = RevisionStatus(revision, now)
        self.out = RevisionOutcome()

    def run(self) -> None:
        was_ready = _happy(self.status)
        template = self.world.settings.observability.revision_url_template
        if template:
            self.status.fields["logUrl"] = template.replace("${REVISION_UID}", self.revision.metadata.uid)
        found = self._digests()
        if found is None:
            return
        if not self._deployment(found) or not self._autoscaler():
            return
        wanted = make_images(self.revision, found)
        self.out.images = [item for item in wanted if item["metadata"]["name"] not in self.world.images]
        if _happy(self.status) and not was_ready:
            message = "Revision becomes ready upon all resources being ready"
            self.out.events.append(Event("Normal", "RevisionReady", message))

    def _digests(self) -> Mapping[str, str] | None:
        """By container; None while they are looked for."""
        digests = self.world.digests
        if digests.found is None:
            self.status.resolving()
            return None
        spec = self.revision.spec
        for name, containers in (
            ("containerStatuses", spec.containers),
            ("initContainerStatuses", spec.init_containers),
        ):
            self.status.fields[name] = [
                {"name": c["name"]}
                | ({"imageDigest": found} if (found := digests.found.get(c["name"])) else {})
                for c in containers
            ] or None
        return digests.found

    def _deployment(self, digests: Mapping[str, str]) -> bool:
        held, meta = self.world.deployment, self.revision.metadata
        name = deployment_name(meta.name)
        if held is not None and not _owned(held, meta.uid):
            self.status.not_owned("Deployment", name)
            self.out.error = f'revision: "{meta.name}" does not own Deployment: "{name}"'
            return False
        self.out.deployment = make_deployment(self.revision, self.world.settings, digests)
        if held is None:
            self.out.events += self.world.digests.notes
            self.status.deploying()
            return True
        self.status.deployment(held)
        wanted = (held.get("spec") or {}).get("replicas", 1)
        available = (held.get("status") or {}).get("availableReplicas", 0)
        if available:
            self.status.available()
        elif wanted:
            schedulable = self.world.settings.deployment.pod_is_always_schedulable
            self.status.pods(self.world.pods, held, schedulable=schedulable)
        return True

    def _autoscaler(self) -> bool:
        held, meta = self.world.autoscaler, self.revision.metadata
        if held is not None and not _owned(held, meta.uid):
            self.status.not_owned("PodAutoscaler", meta.name)
            self.out.error = f'revision: "{meta.name}" does not own PodAutoscaler: "{meta.name}"'
            return False
        before = self.revision.model_copy(update={"status": self.status.dump()})
        self.out.autoscaler = make_podautoscaler(before, self.world.deployment)
        self.status.autoscaler((held or {}).get("status") or {})
        return True


def _happy(status: RevisionStatus) -> bool:
    return status.conditions.status(HAPPY) == TRUE


def _owned(item: Object, uid: str) -> bool:
    owners = item["metadata"].get("ownerReferences") or ()
    return any(o.get("controller") and o.get("uid") == uid for o in owners)
