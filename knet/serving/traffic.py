"""A Route's traffic block, resolved to revisions (facts/serving.md 40, 44)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from knet.model.serving import (
    CONFIGURATION_LABEL,
    SERVICE_LABEL,
    Configuration,
    Revision,
    Route,
    TrafficTarget,
)
from knet.serving.rollout import ConfigurationRollout, RevisionShare, Rollout, rollout

DEFAULT = ""
"""The tag of the group that all targets belong to."""


@dataclass(frozen=True, slots=True)
class ConfigurationState:
    """What a Route asks of a Configuration."""

    latest_ready: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RevisionState:
    """What a Route asks of a Revision. `ready` is None while it is not known."""

    configuration: str = ""
    service: str = ""
    h2c: bool = False
    ready: bool | None = True


@dataclass(frozen=True, slots=True)
class Known:
    """The Configurations and Revisions of the Route's namespace, by name."""

    configurations: Mapping[str, ConfigurationState]
    revisions: Mapping[str, RevisionState]


@dataclass(frozen=True, slots=True)
class Target:
    """One share that goes to one revision."""

    revision: str
    percent: int
    tag: str = ""
    configuration: str = ""
    latest: bool = False
    h2c: bool = False


@dataclass(frozen=True, slots=True)
class BadTarget:
    """Why traffic cannot be assigned. `failure`: it will not come right by waiting.

    `reason` and `message` are the condition's; `index` is the target's in the traffic block.
    """

    reason: str
    message: str
    failure: bool
    index: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """`listed` is what the status shows; `groups` what is routed: for each tag its targets, one for
    each revision, and all of them under DEFAULT.
    """

    listed: tuple[Target, ...]
    groups: Mapping[str, tuple[Target, ...]]

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted(self.groups))


def resolve(route: Route, known: Known) -> tuple[Traffic | None, tuple[BadTarget, ...]]:
    """The traffic, or None and everything that is wrong, in the order of the block."""
    listed: list[Target] = []
    groups: dict[str, list[Target]] = {}
    bad: list[BadTarget] = []
    service = route.metadata.labels.get(SERVICE_LABEL)
    for i, wanted in enumerate(route.spec.traffic):
        found = _target(wanted, known, service, i)
        if isinstance(found, BadTarget):
            bad.append(found)
        elif found is not None:
            _list(listed, found)
            groups.setdefault(DEFAULT, []).append(found)
            if found.tag:
                groups.setdefault(found.tag, []).append(found)
    if bad:
        return None, tuple(bad)
    return Traffic(tuple(listed), {tag: _consolidated(group) for tag, group in groups.items()}), ()


def decisive(bad: tuple[BadTarget, ...]) -> BadTarget:
    """The one that a status tells: the last failure, or else the first that may come right."""
    failures = [b for b in bad if b.failure]
    return failures[-1] if failures else bad[0]


def goal(traffic: Traffic) -> Rollout:
    """What rollouts lead to: each configuration that is followed, all on its latest revision."""
    return rollout(
        ConfigurationRollout(
            target.configuration, target.percent, (RevisionShare(target.revision, target.percent),), tag
        )
        for tag, group in traffic.groups.items()
        for target in group
        if target.latest and target.percent
    )


def configuration_state(configuration: Configuration) -> ConfigurationState:
    """From the object and its status."""
    return ConfigurationState(
        configuration.status_text("latestReadyRevisionName"), _ready(configuration) is False
    )


def revision_state(revision: Revision) -> RevisionState:
    """From the object and its status."""
    labels = revision.metadata.labels
    return RevisionState(
        labels.get(CONFIGURATION_LABEL, ""),
        labels.get(SERVICE_LABEL, ""),
        revision.spec.h2c,
        _ready(revision),
    )


def _ready(item: Configuration | Revision) -> bool | None:
    """The Ready condition, if it is about the present generation."""
    status = item.status
    if status.get("observedGeneration", item.metadata.generation) != item.metadata.generation:
        return None
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict) and condition.get("type") == "Ready":
            return {"True": True, "False": False}.get(str(condition.get("status")))
    return None


def _target(wanted: TrafficTarget, known: Known, service: str | None, i: int) -> Target | BadTarget | None:
    name = wanted.revision_name
    configuration = wanted.configuration_name
    if not name:
        if not configuration:
            return None
        state = known.configurations.get(configuration)
        if state is None:
            return _missing("Configuration", configuration, i)
        if not state.latest_ready:
            message = f'Configuration "{configuration}" '
            message += (
                "does not have any ready Revision."
                if state.failed
                else "is waiting for a Revision to become ready."
            )
            return BadTarget("RevisionMissing", message, state.failed, i)
        name = state.latest_ready
    revision = known.revisions.get(name)
    if revision is None:
        return _missing("Revision", name, i)
    if wanted.revision_name:
        if service is not None and revision.service != service:
            message = f'Revision "{name}" does not belong to Service "{service}".'
            return BadTarget("RevisionNotOwned", message, failure=True, index=i)
        if revision.ready is not True:
            message = f'Revision "{name}" '
            message += "failed to become ready." if revision.ready is False else "is not yet ready."
            return BadTarget("RevisionMissing", message, revision.ready is False, i)
        configuration = revision.configuration
        if configuration and configuration not in known.configurations:
            return _missing("Configuration", configuration, i)
    return Target(name, wanted.percent or 0, wanted.tag, configuration, wanted.latest, revision.h2c)


def _missing(kind: str, name: str, i: int) -> BadTarget:
    message = f'{kind} "{name}" referenced in traffic not found.'
    return BadTarget(f"{kind}Missing", message, failure=True, index=i)


def _list(listed: list[Target], target: Target) -> None:
    for i, other in enumerate(listed):
        same = (other.tag, other.revision, other.latest) == (target.tag, target.revision, target.latest)
        if same:
            listed[i] = replace(other, percent=other.percent + target.percent)
            return
    listed.append(target)


def _consolidated(group: list[Target]) -> tuple[Target, ...]:
    """One target for each revision, in order of first appearance; a lone one gets everything."""
    made: dict[str, Target] = {}
    for target in group:
        other = made.get(target.revision)
        made[target.revision] = replace(other, percent=other.percent + target.percent) if other else target
    if len(made) == 1:
        return tuple(t if t.percent == 100 else replace(t, percent=100) for t in made.values())
    return tuple(made.values())
