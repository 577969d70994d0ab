"""From a changed World to the next snapshot, at the cost of what changed.

`Plane` keeps the table, the snapshot and who uses which resource. It has no loop, clock or I/O; the
gateway command and the controllers call `update`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.backends.api import Backend, Rendered
from knet.envoy.snapshot import SECTIONS, Ref, Snapshot
from knet.errors import Diagnostic
from knet.routing.build import build, destinations, in_bulk, rebuild
from knet.routing.passes.conflicts import claims
from knet.routing.table import IngressTable, Key, RoutingTable
from knet.routing.world import World

Uses = Mapping[str, tuple[str, ...]]
Name = tuple[str, str]
"""(section, resource name)."""


@dataclass(frozen=True, slots=True)
class Update:
    """What an update made: the snapshot, which KIngresses were rendered anew, and what was found.

    `kept`: KIngresses that cannot be rendered now and go on as they were; a Diagnostic says why.
    """

    snapshot: Snapshot
    rendered: frozenset[Key]
    kept: frozenset[Key]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(slots=True)
class Plane:
    """The state behind one gateway class. `load` first, then `update` for every change.

    `tune` may change the settings that the ConfigMaps give, e.g. for other ports on a laptop.
    """

    backend: Backend
    tune: Callable[[Any], Any] = lambda settings: settings
    world: World = field(default_factory=World)
    table: RoutingTable = field(default_factory=RoutingTable)
    snapshot: Snapshot = field(default_factory=Snapshot)
    _settings: Any = None
    _uses: dict[Key, Uses] = field(default_factory=dict)
    _users: dict[str, Counter[str]] = field(default_factory=lambda: {s: Counter() for s in SECTIONS})
    _own: frozenset[Name] = frozenset()

    def load(self, world: World) -> Update:
        """Everything anew. What served before and cannot be rendered now is kept."""
        with in_bulk(len(world.ingresses)):
            self.table = build(world, self.backend.ingress_class)
            return self._publish(world, None)

    def update(self, world: World, changed: Iterable[Key]) -> Update:
        """The next snapshot after the KIngresses `changed` were made, edited or deleted.

        Whoever gains or loses a host by it is rendered too. Changed Services, endpoints and Secrets
        come in by `touching`; changed ConfigMaps ask for `load`.
        """
        old = self.table
        asked = frozenset(changed)
        self.table = rebuild(old, world, asked, self.backend.ingress_class)
        return self._publish(world, asked | frozenset(_contenders(old, self.table, asked)))

    def touching(self, services: Iterable[Key] = (), secrets: Iterable[Key] = ()) -> frozenset[Key]:
        """The KIngresses that send traffic to one of these Services or use one of these Secrets."""
        wanted, keys = frozenset(services), frozenset(secrets)
        return frozenset(
            key
            for key, ingress in self.table.ingresses.items()
            if not wanted.isdisjoint(destinations(ingress)) or any(t.secret in keys for t in ingress.tls)
        )

    def wanted(self, key: Key) -> dict[Ref, str]:
        """The versions that a gateway has to have for a KIngress to be served as published."""
        return {
            (SECTIONS[section], name): found.version
            for section, names in self._uses.get(key, {}).items()
            for name in names
            if (found := self.snapshot.get(SECTIONS[section], name)) is not None
        }

    def _publish(self, world: World, keys: frozenset[Key] | None) -> Update:
        if keys is None or self._settings is None:
            found, problems = self.backend.settings(world)
            self._settings = self.tune(found)
            keys = frozenset(self.table.ingresses) | frozenset(self._uses)
        else:
            problems = ()
        self.world = world
        rendered = self.backend.render(self.table, self._settings, keys)
        kept = frozenset(k for k in rendered.left_out if k in self._uses and k in self.table.ingresses)
        self.snapshot = self.snapshot.apply(self._changes(rendered, keys - kept))
        found = (*problems, *self.table.diagnostics, *rendered.diagnostics)
        return Update(self.snapshot, keys - kept, kept, found)

    def _changes(self, rendered: Rendered, keys: frozenset[Key]) -> dict[str, dict[str, bytes | None]]:
        """Resources to set, and those that nobody uses any longer to remove (body None)."""
        changes: dict[str, dict[str, bytes | None]] = {s: dict(f) for s, f in rendered.resources.items()}
        gone: list[Name] = []
        for key in keys:
            gone += _names(self._uses.pop(key, {}))
            if key in rendered.uses:
                self._uses[key] = rendered.uses[key]
                for section, names in rendered.uses[key].items():
                    self._users[section].update(names)
        for section, name in gone:
            self._users[section][name] -= 1
        own = frozenset(
            (section, name)
            for section, found in rendered.resources.items()
            for name in found
            if not self._users[section][name]
        )
        for section, name in {*gone, *(self._own - own)}:
            users = self._users[section]
            if not users[name]:
                users.pop(name, None)
                if (section, name) in own:
                    continue
                changes.setdefault(section, {})[name] = None
        self._own = own
        return changes


def _names(uses: Uses) -> Iterator[Name]:
    return ((section, name) for section, names in uses.items() for name in names)


def _contenders(old: RoutingTable, new: RoutingTable, changed: frozenset[Key]) -> Iterator[Key]:
    """Those that own a host now, or did, which a changed KIngress claims or claimed."""
    for key in changed:
        for ingress in (old.ingresses.get(key), new.ingresses.get(key)):
            for visibility, host in _claimed(ingress):
                for owner in (old.owners.get((visibility, host)), new.owners.get((visibility, host))):
                    if owner is not None and owner != key:
                        yield owner


def _claimed(ingress: IngressTable | None) -> Iterator[tuple[Any, str]]:
    return ((claim[0], claim[1]) for claim in claims(ingress)) if ingress else iter(())
