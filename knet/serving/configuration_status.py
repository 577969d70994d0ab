"""A Configuration and its revisions as they stand → the revision to make, and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.model.digits import whole
from knet.model.serving import Configuration, Revision
from knet.serving.conditions import HAPPY
from knet.serving.configuration import (
    GENERATION_LABEL,
    NameTaken,
    make_revision,
    named_revision,
    revision_name,
)
from knet.serving.keys import controlled_by
from knet.serving.living import Event, begin, end, observed, ready_of

_QUIET = ("", "Deploying", "ResolvingDigests", "NewObservedGenFailure")
"""Why a revision is on its way as it should be: nobody needs to be told."""


@dataclass(slots=True)
class ConfigurationOutcome:
    """`revision` is to be made. `events` are to be told."""

    status: dict[str, Any] = field(default_factory=dict)
    revision: Revision | None = None
    events: list[Event] = field(default_factory=list)


def reconcile(
    configuration: Configuration, revisions: Mapping[str, Revision], now: str
) -> ConfigurationOutcome:
    """Everything that follows from a Configuration. `now` is RFC 3339 text.

    `revisions` are, by name, those with its label, and whatever has a name that it would use.
    """
    work = _Reconcile(configuration, revisions, now)
    work.run()
    return work.end()


def refused(configuration: Configuration, why: str, now: str) -> ConfigurationOutcome:
    """What a Configuration says whose revision the API does not take: a quota or a webhook is against it."""
    work = _Reconcile(configuration, {}, now)
    work.not_made(why)
    work.out.events.append(Event("Warning", "CreationFailed", f"Failed to create Revision: {why}"))
    return work.end()


class _Reconcile:
    def __init__(self, configuration: Configuration, revisions: Mapping[str, Revision], now: str) -> None:
        self.configuration = configuration
        self.revisions = revisions
        self.now = now
        self.conditions = begin((), configuration.metadata, configuration.status, now)
        self.ready = configuration.status_text("latestReadyRevisionName")
        self.created = configuration.status_text("latestCreatedRevisionName")
        self.out = ConfigurationOutcome()

    def end(self) -> ConfigurationOutcome:
        names = {"latestReadyRevisionName": self.ready, "latestCreatedRevisionName": self.created}
        self.out.status = end(self.configuration.metadata, self.conditions, names)
        return self.out

    def run(self) -> None:
        try:
            newest = self._newest()
        except NameTaken as taken:
            self.not_made(str(taken))
            return
        if newest is None:
            newest = self.out.revision = make_revision(self.configuration, self.now)
            name = newest.metadata.name
            self.out.events.append(Event("Normal", "Created", f'Created Revision "{name}"'))
        self.created = newest.metadata.name
        self._judge(newest)
        self._find_ready(newest)

    def not_made(self, why: str) -> None:
        self.conditions.false(HAPPY, "RevisionFailed", f"Revision creation failed with message: {why}.")

    def _newest(self) -> Revision | None:
        """The revision of the present generation, if it is made already. Raises NameTaken."""
        if self.configuration.spec.template.metadata.name:
            return named_revision(self.configuration, self.revisions.get(revision_name(self.configuration)))
        wanted = str(self.configuration.metadata.generation)
        found = [r for r in self._own() if r.metadata.labels.get(GENERATION_LABEL) == wanted]
        if found:
            return min(found, key=lambda r: r.metadata.name)
        name = revision_name(self.configuration)
        if name in self.revisions:
            raise NameTaken(name)
        return None

    def _own(self) -> list[Revision]:
        uid = self.configuration.metadata.uid
        return [r for r in self.revisions.values() if controlled_by(r.metadata, uid)]

    def _judge(self, newest: Revision) -> None:
        said = ready_of(newest.status)
        status, message = said.get("status"), str(said.get("message") or "")
        if self.ready != self.created:
            waits = status == "Unknown" and str(said.get("reason") or "") not in _QUIET
            self.conditions.unknown(HAPPY, str(said.get("reason")) if waits else "", message if waits else "")
        if status == "True" and not self.ready:
            self.out.events.append(Event("Normal", "ConfigurationReady", "Configuration becomes ready"))
        if status == "False":
            self._failed(f'Revision "{self.created}" failed with message: {message}.')

    def _failed(self, message: str) -> None:
        before = self.conditions.before.get(HAPPY)
        self.conditions.false(HAPPY, "RevisionFailed", message)
        now = self.conditions.get(HAPPY)
        if before is not None and now is not None and before.said() == now.said():
            return
        if self.created and self.created == self.ready:
            words = f'Latest ready revision "{self.created}" has failed'
            self.out.events.append(Event("Warning", "LatestReadyFailed", words))
        else:
            words = f'Latest created revision "{self.created}" has failed'
            self.out.events.append(Event("Warning", "LatestCreatedFailed", words))

    def _find_ready(self, newest: Revision) -> None:
        """The latest ready one; never older than the one that was."""
        for revision in self._candidates(newest):
            said = ready_of(revision.status)
            if said.get("status") != "True" or not observed(revision.metadata, revision.status):
                continue
            name = revision.metadata.name
            if name != self.ready:
                words = f'LatestReadyRevisionName updated to "{name}"'
                self.out.events.append(Event("Normal", "LatestReadyUpdate", words))
            self.ready = name
            if name == self.created:
                self.conditions.true(HAPPY)
            return

    def _candidates(self, newest: Revision) -> list[Revision]:
        """From the newest back to the one that was the latest ready; all, where that is gone.

        All, too, where that is newer than the Configuration, which was restored from a backup then.
        """
        byo = self.configuration.spec.template.metadata.name
        last = self.revisions.get(self.ready)
        least = _generation(last) if last is not None else 0
        most = self.configuration.metadata.generation
        everything = least > most
        found = [
            r
            for r in self._own()
            if everything
            or least <= _generation(r) <= most
            or (byo and _generation(r) == _generation(newest))
        ]
        return sorted(found, key=lambda r: (r.metadata.name != byo, -_generation(r), r.metadata.name))


def _generation(revision: Revision) -> int:
    return whole(revision.metadata.labels.get(GENERATION_LABEL, "")) or 0
