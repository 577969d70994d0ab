"""A Service and its children as they stand → the children it wants, and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from knet.model.serving import Configuration, KService, Revision, Route
from knet.serving import waiting
from knet.serving.chain import Link
from knet.serving.conditions import HAPPY, UNKNOWN
from knet.serving.configuration import NameTaken, named_revision
from knet.serving.keys import controlled_by
from knet.serving.living import Event, begin, end, observed, propagate, ready_of
from knet.serving.service import make_configuration, make_route

CONFIGURATIONS, ROUTES = "ConfigurationsReady", "RoutesReady"


@dataclass(frozen=True, slots=True)
class ServiceWorld:
    """The children as they stand; `named` is the revision that the template names, if it is there."""

    configuration: Configuration | None = None
    route: Route | None = None
    named: Revision | None = None


@dataclass(slots=True)
class ServiceOutcome:
    """What is to be: a child that is None is left as it is. `error`: why the reconcile ended early."""

    status: dict[str, Any] = field(default_factory=dict)
    configuration: Configuration | None = None
    route: Route | None = None
    events: list[Event] = field(default_factory=list)
    error: str = ""


def reconcile(
    service: KService, world: ServiceWorld, now: str, chain: Link | None = None, last: str = ""
) -> ServiceOutcome:
    """Everything that follows from a Service. `now` is RFC 3339 text.

    `chain`, where the Service has waited for long, is what it waits for (`waiting.explain`).
    """
    work = _Reconcile(service, world, now)
    work.run()
    if work.conditions.status(HAPPY) != UNKNOWN:
        waiting.over(work.conditions)
    elif chain is not None:
        waiting.explain(work.conditions, chain, last)
    work.out.status = end(service.metadata, work.conditions, work.fields)
    return work.out


class _Reconcile:
    def __init__(self, service: KService, world: ServiceWorld, now: str) -> None:
        self.service = service
        self.world = world
        self.conditions = begin((CONFIGURATIONS, ROUTES), service.metadata, service.status, now)
        status = service.status
        self.fields = {
            name: status.get(name)
            for name in ("latestReadyRevisionName", "latestCreatedRevisionName", "url", "address", "traffic")
        }
        self.out = ServiceOutcome()

    def run(self) -> None:
        if not self.configuration():
            return
        try:
            named_revision(self.out.configuration or self.world.configuration, self.world.named)
        except NameTaken:
            name = self.service.spec.template.metadata.name
            message = f'The revision name "{name}" is taken by a conflicting Revision, so traffic will not be migrated'
            self.conditions.false(ROUTES, "RevisionNameTaken", message)
            return
        self.route()

    def configuration(self) -> bool:
        """Whether the Route's turn has come."""
        before = self.world.configuration
        name = self.service.metadata.name
        if before is not None and not controlled_by(before.metadata, self.service.metadata.uid):
            self._not_owned(CONFIGURATIONS, "Configuration", "configuration")
            return False
        self.out.configuration = make_configuration(self.service, before.metadata if before else None)
        if before is None:
            self.out.events.append(Event("Normal", "Created", f'Created Configuration "{name}"'))
        if before is None or not observed(before.metadata, before.status):
            message = "The Configuration is still working to reflect the latest desired specification."
            self.conditions.unknown(CONFIGURATIONS, "OutOfDate", message)
            return not self.service.spec.template.metadata.name
        for field_name in ("latestReadyRevisionName", "latestCreatedRevisionName"):
            self.fields[field_name] = before.status.get(field_name)
        propagate(self.conditions, CONFIGURATIONS, ready_of(before.status))
        return True

    def route(self) -> None:
        before = self.world.route
        name = self.service.metadata.name
        if before is not None and not controlled_by(before.metadata, self.service.metadata.uid):
            self._not_owned(ROUTES, "Route", "route")
            return
        self.out.route = make_route(self.service, before.metadata if before else None)
        if before is None:
            self.out.events.append(Event("Normal", "Created", f'Created Route "{name}"'))
        if before is None or not observed(before.metadata, before.status):
            message = "The Route is still working to reflect the latest desired specification."
            self.conditions.unknown(ROUTES, "OutOfDate", message)
            return
        for field_name in ("url", "address", "traffic"):
            self.fields[field_name] = before.status.get(field_name)
        propagate(self.conditions, ROUTES, ready_of(before.status))
        if self.conditions.status(ROUTES) == "True" and not self._migrated(before):
            message = "Traffic is not yet migrated to the latest revision."
            self.conditions.unknown(ROUTES, "TrafficNotMigrated", message)

    def _migrated(self, route: Route) -> bool:
        """Whether the Route's status shows what its spec asks for, with the latest ready revision filled in."""
        configuration = self.world.configuration
        latest = configuration.status_text("latestReadyRevisionName") if configuration else ""
        wanted = [
            (latest if target.configuration_name else target.revision_name, target.tag, target.percent or 0)
            for target in route.spec.traffic
        ]
        shown = [
            (t.get("revisionName", ""), t.get("tag", ""), t.get("percent", 0))
            for t in route.status.get("traffic") or ()
        ]
        return wanted == shown

    def _not_owned(self, condition: str, kind: str, word: str) -> None:
        name = self.service.metadata.name
        message = f'There is an existing {kind} "{name}" that we do not own.'
        self.conditions.false(condition, "NotOwned", message)
        self.out.error = f'service: "{name}" does not own {word}: "{name}"'
