"""What Envoy is to have: immutable, versioned by content, and checked before it is published.

A `Snapshot` holds resources by type URL and name. `apply` makes the next one at the cost of what
changes; nothing here knows what a KIngress is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from knet import checks
from knet.envoy.snapshot_layers import Layered
from knet.envoy.snapshot_references import references
from knet.envoy.snapshot_types import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROUTE,
    SCOPE,
    SECRET,
    SECTIONS,
    Ref,
    section,
)
from knet.errors import Diagnostic

__all__ = [
    "CLUSTER",
    "ENDPOINT",
    "LISTENER",
    "ROUTE",
    "SCOPE",
    "SECRET",
    "SECTIONS",
    "Bodies",
    "Ref",
    "Resource",
    "Snapshot",
    "consistent",
    "resource",
    "version",
]

Bodies = Mapping[str, Mapping[str, bytes | None]]
"""Section or type URL → name → serialised resource, or None for one that is to go."""


def version(body: bytes) -> str:
    """16 hex digits of the content, so that equal resources have equal versions in every process.

    Envoy hands them back when it reconnects, and what is equal need not travel again
    (facts/envoy-xds.md, section 3).
    """
    return blake2b(body, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Resource:
    """One Envoy resource as it travels. `references` are the resources that it names.

    `references` is None for one that a client says it has and of which only the version is known.
    """

    name: str
    version: str
    body: bytes
    references: tuple[Ref, ...] | None = ()


def resource(type_url: str, name: str, body: bytes) -> Resource:
    """A Resource from its serialised protobuf. Raises ValueError if that cannot be read."""
    return Resource(name, version(body), body, references(type_url, name, body))


class Snapshot:
    """All resources at one moment. Make one with `Snapshot.of`, the next ones with `apply`.

    `changed` names what differs from the snapshot that this one was made from.
    """

    __slots__ = ("_dangling", "_identity", "_predecessor", "_resources", "_users", "changed")

    def __init__(self) -> None:
        self._resources: dict[str, Layered[str, Resource]] = {url: Layered() for url in SECTIONS.values()}
        self._users: Layered[Ref, int] = Layered()
        self._dangling: frozenset[Ref] = frozenset()
        self.changed: tuple[Ref, ...] = ()
        # tokens instead of the snapshots: a chain of predecessors would never be freed
        self._identity, self._predecessor = object(), object()

    @classmethod
    def of(cls, bodies: Bodies) -> Snapshot:
        """A snapshot of these resources and no others. Raises like `apply`."""
        return cls().apply(bodies)

    def apply(self, changes: Bodies) -> Snapshot:
        """The next snapshot: resources set, or removed where the body is None. O(changes).

        Raises ValueError for a body that is no protobuf of its type, KeyError for an unknown section.
        """
        made: dict[str, dict[str, Resource | None]] = {}
        for key, bodies in changes.items():
            url = SECTIONS.get(key, key)
            differing = made.setdefault(url, {})
            have = self._resources[url]
            for name, body in bodies.items():
                old = have.get(name) if have else None
                if (old.body if old else None) != body:
                    differing[name] = None if body is None else resource(url, name, body)
        return self._with({url: differing for url, differing in made.items() if differing})

    def replace(self, bodies: Bodies) -> Snapshot:
        """The next snapshot with exactly these resources. O(all), but equal resources stay the same."""
        wanted = {SECTIONS.get(key, key): found for key, found in bodies.items()}
        changes: dict[str, dict[str, bytes | None]] = {}
        for url, have in self._resources.items():
            want = wanted.get(url, {})
            changes[url] = dict.fromkeys((name for name in have if name not in want), None) | dict(want)
        return self.apply(changes)

    def _with(self, changes: Mapping[str, Mapping[str, Resource | None]]) -> Snapshot:
        if not changes:
            return self
        made = Snapshot()
        made._resources = self._resources | {
            url: self._resources[url].updated(found) for url, found in changes.items()
        }
        made.changed = tuple((url, name) for url, found in changes.items() for name in found)
        made._predecessor = self._identity
        counts: dict[Ref, int] = {}
        for url, found in changes.items():
            have = self._resources[url]
            for name, new in found.items():
                if have:
                    _count(counts, have.get(name), -1)
                _count(counts, new, 1)
        before = self._users
        counts = {ref: by for ref, by in counts.items() if by}  # a canary step names what it named before
        users = {ref: before.get(ref, 0) + by for ref, by in counts.items()} if before else counts
        made._users = before.updated({ref: number or None for ref, number in users.items()})
        # who names a resource changed, or it went itself: it may be missing now, or no longer
        touched = users.keys() | (made.changed if before else ())
        broken = {r for r in touched if made._users.get(r) and made.get(*r) is None}
        made._dangling = (self._dangling - touched) | broken
        return made

    def get(self, type_url: str, name: str) -> Resource | None:
        """One resource, or None."""
        return self._resources[type_url].get(name)

    def of_type(self, type_url: str) -> Mapping[str, Resource]:
        """All resources of one type by name."""
        return self._resources[type_url]

    def changes_since(self, old: Snapshot | None) -> Iterable[Ref]:
        """What may differ from `old`: at once if this was made from it, else by comparing all."""
        if old is self:
            return ()
        if old is not None and self._predecessor is old._identity:  # noqa: SLF001 - its own class
            return self.changed
        return self._compared(old)

    def _compared(self, old: Snapshot | None) -> Iterator[Ref]:
        for url, here in self._resources.items():
            there: Mapping[str, Resource] = old.of_type(url) if old else {}
            for name, found in here.items():
                before = there.get(name)
                if before is None or before.version != found.version:
                    yield url, name
            for name in there:
                if name not in here:
                    yield url, name

    @property
    def dangling(self) -> frozenset[Ref]:
        """What resources name and what is not there; empty in a consistent snapshot."""
        return self._dangling

    def __len__(self) -> int:
        return sum(map(len, self._resources.values()))


def _count(counts: dict[Ref, int], found: Resource | None, by: int) -> None:
    for ref in found.references or () if found else ():
        counts[ref] = counts.get(ref, 0) + by


def consistent(snapshot: Snapshot) -> tuple[Diagnostic, ...]:
    """What the snapshot names and does not hold (KNET350), one finding for each that names it.

    Free where all references close: they are counted as snapshots are made. Sessions hold back the
    resources found here and send the others, so an inconsistent snapshot costs only what is broken.
    """
    if not snapshot.dangling:
        return ()
    return tuple(
        checks.DANGLING_RESOURCE(
            f"{section(url)} {name} names {section(ref[0])} {ref[1]}, which is not there",
            hint="the resource is held back until what it names exists",
        )
        for url in SECTIONS.values()
        for name, found in snapshot.of_type(url).items()
        for ref in dict.fromkeys(found.references or ())
        if ref in snapshot.dangling
    )
