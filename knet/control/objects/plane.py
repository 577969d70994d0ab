"""From a changed World to what has to be in the API, at the cost of what changed.

Like `knet.control.plane`, for gateways that are given objects: no loop, no clock, no I/O. Only digests of what is
wanted are kept; an object is rendered again when it has to be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from knet.backends.api import Backend, Rendered
from knet.control.objects.seen import Object, Ref, digest_of, ref_of
from knet.errors import Diagnostic, Severity
from knet.routing.build import build, destinations, rebuild
from knet.routing.passes.hosts import expand, normal
from knet.routing.table import IngressTable, Key, RoutingTable, Visibility
from knet.routing.world import World

_LONGER = (".cluster.local", ".svc.cluster.local")


@dataclass(slots=True)
class ObjectPlane:
    """`begin`, then `look` at every key it gives; after that `update` for every change.

    `wanted`: for each KIngress its objects and their digests. `problems`: why one cannot be rendered.
    `left`: objects that a KIngress no longer makes and nobody else does, until `forget_left`.
    """

    backend: Backend
    world: World = field(default_factory=World)
    table: RoutingTable = field(default_factory=RoutingTable)
    settings: Any = None
    wanted: dict[Key, dict[Ref, bytes]] = field(default_factory=dict)
    problems: dict[Key, str] = field(default_factory=dict)
    left: dict[Key, set[Ref]] = field(default_factory=dict)
    users: dict[Ref, set[Key]] = field(default_factory=dict)
    _services: dict[Key, set[Key]] = field(default_factory=dict)
    _secrets: dict[Key, set[Key]] = field(default_factory=dict)

    def begin(self, world: World) -> tuple[frozenset[Key], tuple[Diagnostic, ...]]:
        """Everything anew: the KIngresses to `look` at, those that are gone included, and what is wrong."""
        self.world = world
        self.settings, found = self.backend.settings(world)
        old = self.table
        self.table = build(world, self.backend.ingress_class)
        self._services.clear()
        self._secrets.clear()
        for ingress in self.table.ingresses.values():
            self._index(ingress)
        return frozenset(old.ingresses) | frozenset(self.table.ingresses) | frozenset(self.wanted), found

    def update(self, world: World, changed: frozenset[Key]) -> frozenset[Key]:
        """Takes in KIngresses that were made, edited or deleted; gives those to `look` at.

        Whoever gains or loses a host by it is among them.
        """
        old, self.world = self.table, world
        self.table = rebuild(old, world, changed, self.backend.ingress_class)
        for key in changed:
            self._index(old.ingresses.get(key), add=False)
            self._index(self.table.ingresses.get(key))
        return changed | frozenset(_contenders(old, self.table, changed))

    def touching(self, services: Iterable[Key] = (), secrets: Iterable[Key] = ()) -> frozenset[Key]:
        """The KIngresses that send traffic to one of these Services or use one of these Secrets."""
        found: set[Key] = set()
        for key in services:
            found |= self._services.get(key, set())
        for key in secrets:
            found |= self._secrets.get(key, set())
        return frozenset(found)

    def look(self, key: Key) -> None:
        """Renders one KIngress and notes what it makes. One that cannot be rendered keeps what it has."""
        ingress = self.table.ingresses.get(key)
        made = self.render(key) if ingress else Rendered()
        self.problems.pop(key, None)
        if ingress and key in made.left_out:
            self.problems[key] = _why(made, key)
            return
        new = {ref_of(o): digest_of(o) for o in made.objects}
        old = self.wanted.pop(key, {})
        for ref in old.keys() - new.keys():
            users = self.users.get(ref, set())
            users.discard(key)
            if not users:
                self.users.pop(ref, None)
                self.left.setdefault(key, set()).add(ref)
        if ingress:
            self.wanted[key] = new
        for ref in new:
            self.users.setdefault(ref, set()).add(key)
            if len(self.users[ref]) > 1:  # shared: how it looks, all who make it decide together
                new[ref] = digest_of(self._shared(ref))

    def render(self, key: Key) -> Rendered:
        """The objects of one KIngress as they are to be written."""
        return self.backend.render(self.table, self.settings, frozenset((key,)))

    def objects(self, key: Key) -> dict[Ref, Object]:
        """What a KIngress wants in the API."""
        made = {ref_of(o): o for o in self.render(key).objects}
        return {ref: self._shared(ref) if len(self.users.get(ref, ())) > 1 else o for ref, o in made.items()}

    def _shared(self, ref: Ref) -> Object:
        together = self.backend.render(self.table, self.settings, frozenset(self.users[ref]))
        return next(o for o in together.objects if ref_of(o) == ref)

    def _index(self, ingress: IngressTable | None, *, add: bool = True) -> None:
        if ingress is None:
            return
        for index, keys in (
            (self._services, destinations(ingress)),
            (self._secrets, {t.secret for t in ingress.tls}),
        ):
            for key in keys:
                users = index.setdefault(key, set())
                (users.add if add else users.discard)(ingress.key)
                if not users:
                    del index[key]


def _why(made: Rendered, key: Key) -> str:
    found = [
        d
        for d in made.diagnostics
        if d.about and (d.about.namespace, d.about.name) == key and d.severity is Severity.ERROR
    ]
    return f"{found[0].field}: {found[0].message}" if found else "it serves no host"


def _contenders(old: RoutingTable, new: RoutingTable, changed: frozenset[Key]) -> Iterator[Key]:
    """Those that claim, or claimed, a host in any of its forms which a changed KIngress claims or claimed."""
    for key in changed:
        hosts = {
            form
            for ingress in (old.ingresses.get(key), new.ingresses.get(key))
            if ingress
            for row in ingress.rows
            for host in row.hosts
            for form in (*expand(host), *(host + tail for tail in _LONGER))
        }
        for host in hosts:
            claim = Visibility.INTERNAL, normal(host)  # every rule claims its hosts inside
            for table in (old, new):
                owner = table.owners.get(claim)
                for other in (*table.contested.get(claim, ()), *((owner,) if owner else ())):
                    if other != key and other in new.ingresses:
                        yield other
