"""What a cluster would know of revisions, guessed from files.

- The latest revision of a Service or Configuration is, in this order: what the caller says
  (`--revision name=...`), `status.latestReadyRevisionName`, `spec.template.metadata.name`, the newest
  Revision of that configuration in the files, or NAME-NNNNN, one above the highest number that traffic
  mentions for it (NAME-00001 if it mentions none).
- Revisions that traffic names are taken as there and ready: they live in the cluster. Where the files
  hold Revisions of that configuration, they are taken as the whole list, and others are missing.
- A revision that is not in the files speaks h2c if its configuration's template does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from knet.model.digits import whole
from knet.model.names import child_name
from knet.model.serving import Configuration, KService, Revision, RevisionTemplate, Route
from knet.serving.traffic import ConfigurationState, Known, RevisionState, revision_state

Key = tuple[str, str]
_NUMBER = re.compile(r"-(\d{5,9})\Z", re.ASCII)
_GENERATION = "serving.knative.dev/configurationGeneration"


@dataclass(slots=True)
class Cluster:
    """The guessed state, by namespace; `assume` adds what a Route names."""

    known: dict[str, Known] = field(default_factory=dict)
    listed: set[Key] = field(default_factory=set)

    def of(self, namespace: str) -> Known:
        return self.known.setdefault(namespace, Known({}, {}))

    def assume(self, route: Route, service: str) -> None:
        """Takes the revisions that a Route names as there, unless their configuration's are listed."""
        namespace = route.metadata.namespace
        known = self.of(namespace)
        for target in route.spec.traffic:
            name = target.revision_name
            if not name or name in known.revisions:
                continue
            configuration = service or self._configuration(namespace, name)
            if (namespace, configuration) in self.listed:
                continue
            state = known.configurations.get(configuration)
            like = known.revisions.get(state.latest_ready) if state else None
            h2c = like.h2c if like else False
            if state is None:
                configuration = ""
            _put(known.revisions, name, RevisionState(configuration, service, h2c))

    def _configuration(self, namespace: str, revision: str) -> str:
        """The configuration whose name a revision's name begins with; empty if there is none."""
        known = self.of(namespace).configurations
        name = revision
        while "-" in name:
            name = name.rpartition("-")[0]
            if name in known:
                return name
        return ""


def cluster(
    services: Mapping[Key, KService],
    configurations: Mapping[Key, Configuration],
    revisions: Mapping[Key, Revision],
    routes: Iterable[Route],
    names: Mapping[str, str],
) -> Cluster:
    """What the files say of configurations and revisions. `names`: by `NAME` or `NAMESPACE/NAME`."""
    made = Cluster()
    newest: dict[Key, Revision] = {}
    for (namespace, name), revision in revisions.items():
        state = revision_state(revision)
        # a Revision without a status is one that people wrote: it will come up
        state = replace(state, ready=state.ready is not False)
        _put(made.of(namespace).revisions, name, state)
        owner = (namespace, state.configuration)
        if state.configuration:
            made.listed.add(owner)
            if owner not in newest or _age(revision) > _age(newest[owner]):
                newest[owner] = revision
    mentioned = _mentioned([*services.values(), *routes])
    for key in {**configurations, **services}:
        service, configuration = services.get(key), configurations.get(key)
        owner_of_template = service or configuration
        assert owner_of_template is not None
        template = owner_of_template.spec.template
        said = names.get(f"{key[0]}/{key[1]}") or names.get(key[1], "")
        for item in (service, configuration):
            said = said or (item.status_text("latestReadyRevisionName") if item else "")
        if not said and key in newest and not template.metadata.name:
            said = newest[key].metadata.name
        latest = said or template.metadata.name or _generated(key, mentioned)
        _declare(made.of(key[0]), key[1], latest, template, key[1] if service else "")
    return made


def _declare(known: Known, name: str, latest: str, template: RevisionTemplate, service: str) -> None:
    _put(known.configurations, name, ConfigurationState(latest))
    if latest not in known.revisions:
        _put(known.revisions, latest, RevisionState(name, service, template.spec.h2c))


def _generated(key: Key, mentioned: Mapping[Key, int]) -> str:
    return child_name(key[1], f"-{mentioned.get(key, 0) + 1:05d}")


def _mentioned(items: Iterable[KService | Route]) -> dict[Key, int]:
    """The highest revision number that traffic names, by configuration."""
    highest: dict[Key, int] = {}
    for item in items:
        for target in item.spec.traffic:
            found = _NUMBER.search(target.revision_name)
            if found:
                key = (item.metadata.namespace, target.revision_name[: found.start()])
                highest[key] = max(highest.get(key, 0), int(found[1]))
    return highest


def _age(revision: Revision) -> tuple[int, str, str]:
    number = whole(revision.metadata.labels.get(_GENERATION, "")) or 0
    return number, revision.metadata.creation_timestamp, revision.metadata.name


def _put(states: Mapping[str, object], name: str, state: object) -> None:
    # Known is read-only to everybody else
    assert isinstance(states, dict)
    states[name] = state
