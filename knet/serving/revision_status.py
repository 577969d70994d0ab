"""What a Revision's status says of its Deployment, its pods and its PodAutoscaler (knative.dev/serving's words)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.model.serving import Revision
from knet.serving.conditions import FALSE, TRUE, UNKNOWN, Conditions
from knet.serving.living import begin, end, ready_of
from knet.serving.queue_container import NAME as QUEUE

Object = Mapping[str, Any]

RESOURCES, HEALTHY, ACTIVE = "ResourcesAvailable", "ContainerHealthy", "Active"
DEPLOYING, RESOLVING, MISSING = "Deploying", "ResolvingDigests", "ContainerMissing"
DEADLINE = "ProgressDeadlineExceeded"
_STARTING = {"status": UNKNOWN, "reason": DEPLOYING}
"""What a Deployment says of its progress before anybody has looked at it."""

_NO_ERROR = "container exited with no error"
_NO_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_ON_THE_WAY = ("", "ContainerCreating", "PodInitializing", "ErrImagePull", "CrashLoopBackOff", *_NO_IMAGE)


class RevisionStatus:
    """The status while one reconcile runs. `now` is RFC 3339 text."""

    def __init__(self, revision: Revision, now: str) -> None:
        self.revision = revision
        self.conditions: Conditions = begin((RESOURCES, HEALTHY), revision.metadata, revision.status, now)
        kept = ("containerStatuses", "initContainerStatuses", "actualReplicas", "desiredReplicas", "logUrl")
        self.fields: dict[str, Any] = {name: revision.status.get(name) for name in kept}

    def dump(self) -> dict[str, Any]:
        return end(self.revision.metadata, self.conditions, self.fields)

    def resolving(self) -> None:
        """The digests of its images are not known yet."""
        self.conditions.unknown(RESOURCES, RESOLVING, "")

    def image_missing(self, image: str, why: str) -> None:
        self.conditions.false(HEALTHY, MISSING, f'Unable to fetch image "{image}": {why}')

    def deploying(self) -> None:
        """Its Deployment is only being made."""
        self.conditions.unknown(RESOURCES, DEPLOYING, "")
        self.conditions.unknown(HEALTHY, DEPLOYING, "")

    def not_owned(self, kind: str, name: str) -> None:
        message = f'There is an existing {kind} "{name}" that we do not own.'
        self.conditions.false(RESOURCES, "NotOwned", message)

    def deployment(self, deployment: Object) -> None:
        """ResourcesAvailable follows the Deployment: it makes progress, and may make its pods.

        Pods that may not be made are why there is no progress, so that is said where both fail.
        """
        found = {c.get("type"): c for c in (deployment.get("status") or {}).get("conditions") or ()}
        progress, failure = found.get("Progressing") or _STARTING, found.get("ReplicaFailure") or {}
        if failure.get("status") == TRUE:
            self.conditions.false(RESOURCES, *_said(failure))
        elif progress.get("status") == FALSE:
            self.conditions.false(RESOURCES, *_said(progress))
        elif failure.get("status") == UNKNOWN:
            self.conditions.unknown(RESOURCES, *_said(failure))
        elif progress.get("status") == TRUE:
            self.conditions.true(RESOURCES)
        else:
            self.conditions.unknown(RESOURCES, *_said(progress))

    def pods(self, pods: Iterable[Object], deployment: Object, *, schedulable: bool) -> None:
        """Says why none of its pods is available. `schedulable`: that a pod finds no node is no failure."""
        late = timed_out(deployment)
        for pod in pods:
            status = pod.get("status") or {}
            unscheduled = _unscheduled(status)
            if unscheduled and not schedulable:
                self.conditions.false(RESOURCES, *_said(unscheduled))
            if self._containers(pod, late=late) or unscheduled:
                return

    def _containers(self, pod: Object, *, late: bool) -> bool:
        """Whether a container of the user's says why."""
        status, images = pod.get("status") or {}, _images(pod)
        for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            if one.get("name") == QUEUE:
                continue
            state = one.get("state") or {}
            waiting = state.get("waiting") or {}
            ended = (one.get("lastState") or {}).get("terminated") or _failed(state)
            if ended:
                code = ended.get("exitCode") or 0
                message = ended.get("message") or ("" if code else _NO_ERROR)
                self.conditions.false(HEALTHY, f"ExitCode{code}", f"Container failed with: {message}")
                return True
            if waiting and late:
                self.conditions.false(RESOURCES, *_said(waiting))
                return True
            reason, message = _said(waiting)
            if reason in _NO_IMAGE:
                self.image_missing(images.get(one.get("name"), ""), message)
                return True
            if reason not in _ON_THE_WAY:
                self.conditions.unknown(RESOURCES, reason, message)
                return True
        return False

    def available(self) -> None:
        """Pods of it are available: whatever a container died of is over."""
        self.conditions.true(HEALTHY)

    def autoscaler(self, status: Object) -> None:
        """Active follows the PodAutoscaler; a revision is up once its first pods were ready together."""
        conditions = self.conditions
        bad = FALSE in (conditions.status(RESOURCES), conditions.status(HEALTHY))
        for name, field in (("actualReplicas", "actualScale"), ("desiredReplicas", "desiredScale")):
            count = status.get(field)
            self.fields[name] = count if isinstance(count, int) and count >= 0 else None
        ready = ready_of(status)
        if not ready:
            conditions.unknown(ACTIVE, DEPLOYING, "")
            if not bad:
                conditions.unknown(RESOURCES, DEPLOYING, "")
            return
        initialized = _condition(status, "ScaleTargetInitialized").get("status") == TRUE
        served = bool(status.get("serviceName"))
        if initialized and not bad:
            conditions.true(RESOURCES)
            conditions.true(HEALTHY)
        if conditions.status(RESOURCES) == TRUE and not (served and initialized):
            conditions.unknown(RESOURCES, DEPLOYING, "")
        reason, message = _said(ready)
        if ready.get("status") == TRUE:
            conditions.true(ACTIVE)
        elif ready.get("status") == FALSE:
            if not initialized and not bad and served and reason == "TimedOut":
                conditions.false(RESOURCES, DEADLINE, "Initial scale was never achieved")
            conditions.false(ACTIVE, reason, message)
        else:
            conditions.unknown(ACTIVE, reason, message)


def timed_out(deployment: Object) -> bool:
    """Whether a Deployment has made no progress for too long."""
    found = _condition(deployment.get("status") or {}, "Progressing")
    return found.get("status") == FALSE and found.get("reason") == DEADLINE


def _condition(status: Object, name: str) -> Object:
    nothing: Object = {}
    return next((c for c in status.get("conditions") or () if c.get("type") == name), nothing)


def _said(condition: Object) -> tuple[str, str]:
    return str(condition.get("reason") or ""), str(condition.get("message") or "")


def _unscheduled(status: Object) -> Object:
    found = _condition(status, "PodScheduled")
    return found if found.get("status") == FALSE else {}


def _failed(state: Object) -> Object:
    """A container that has just failed and was not started again yet."""
    ended: Object = state.get("terminated") or {}
    return ended if ended.get("exitCode") else {}


def _images(pod: Object) -> dict[str | None, str]:
    spec = pod.get("spec") or {}
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return {c.get("name"): str(c.get("image", "")) for c in containers}
