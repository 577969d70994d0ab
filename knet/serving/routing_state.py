"""Which Routes name a revision or a Configuration, and what that makes of a revision's routing state.

A revision is `pending` until a Route first names it, then `active`, and `reserve` once none does any more: the
autoscaler and the garbage collector go by it (facts/knative.md A.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from knet.model.meta import ObjectMeta
from knet.model.serving import CONFIGURATION_LABEL, Configuration, Revision, Route, TrafficTarget
from knet.serving.conditions import FALSE, TRUE
from knet.serving.configuration import GENERATION_LABEL
from knet.serving.living import observed, ready_of
from knet.serving.revision_names import ROUTES, ROUTING_STATE_LABEL, ROUTING_STATE_MODIFIED

Object = dict[str, Any]

ACTIVE, RESERVE, PENDING = "active", "reserve", "pending"


def named(route: Route) -> Iterator[TrafficTarget]:
    """Every share of a Route's traffic: as it is to be, and as it is."""
    yield from route.spec.traffic
    for entry in route.status.get("traffic") or ():
        yield TrafficTarget(
            revision_name=str(entry.get("revisionName") or ""),
            configuration_name=str(entry.get("configurationName") or ""),
            latest_revision=entry.get("latestRevision"),
        )


def routes_of_revision(
    revision: Revision, routes: Iterable[Route], configuration: Configuration | None, of: Mapping[str, str]
) -> frozenset[str]:
    """The names of the Routes that lead to a revision, or will once it is ready.

    `configuration` is the revision's; `of` has the Configuration of every revision of the namespace.
    """
    name = revision.metadata.name
    owner = revision.metadata.labels.get(CONFIGURATION_LABEL, "")
    newest = configuration is not None and _newest(revision, configuration)

    def leads(target: TrafficTarget) -> bool:
        if target.revision_name == name:
            return True
        followed = target.configuration_name or of.get(target.revision_name, "")
        return newest and followed == owner and target.latest

    return frozenset(r.metadata.name for r in routes if any(map(leads, named(r))))


def _newest(revision: Revision, configuration: Configuration) -> bool:
    """Whether it is the latest created one; the Configuration's status may not say so yet."""
    meta = revision.metadata
    if meta.labels.get(GENERATION_LABEL) == str(configuration.metadata.generation):
        return True
    return configuration.status_text("latestCreatedRevisionName") == meta.name


def service_of(configuration: Configuration) -> str:
    """The Service that controls a Configuration: its Route has the same name. Empty if none does."""
    owners = (o for o in configuration.metadata.owner_references if o.controller and o.kind == "Service")
    return next((o.name for o in owners), "")


def routes_of_configuration(name: str, routes: Iterable[Route], of: Mapping[str, str]) -> frozenset[str]:
    """The names of the Routes that lead to some revision of a Configuration. `of` as above."""
    return frozenset(
        r.metadata.name
        for r in routes
        if any((t.configuration_name or of.get(t.revision_name, "")) == name for t in named(r))
    )


def settled(route: Route) -> bool:
    """Whether the gateways serve what a Route's status shows, or it has failed.

    Until then they may still send requests to what it no longer names.
    """
    ready = ready_of(route.status).get("status")
    return ready in (TRUE, FALSE) and observed(route.metadata, route.status)


def revision_patch(meta: ObjectMeta, routes: frozenset[str], now: str) -> Object | None:
    """The merge patch by which a revision says so; None if it does already. `now` is RFC 3339 text."""
    before = meta.labels.get(ROUTING_STATE_LABEL, "")
    state = ACTIVE if routes else PENDING if before in ("", PENDING) else RESERVE
    patch: Object = {}
    if listed(meta) != routes:
        patch["annotations"] = {ROUTES: _text(routes)}
    if state != before:
        patch["labels"] = {ROUTING_STATE_LABEL: state}
        patch.setdefault("annotations", {})[ROUTING_STATE_MODIFIED] = now
    return {"metadata": patch} if patch else None


def configuration_patch(meta: ObjectMeta, routes: frozenset[str]) -> Object | None:
    """The merge patch by which a Configuration says which Routes follow it; None if it does already."""
    if listed(meta) == routes:
        return None
    return {"metadata": {"annotations": {ROUTES: _text(routes)}}}


def listed(meta: ObjectMeta) -> frozenset[str]:
    """The Routes that an object says it is named by."""
    return frozenset(part for part in meta.annotations.get(ROUTES, "").split(",") if part)


def _text(routes: frozenset[str]) -> str | None:
    return ",".join(sorted(routes)) or None
