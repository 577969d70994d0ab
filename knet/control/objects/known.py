"""What is known of the objects in the API: digests, whose they are, and what a write has come to."""

from __future__ import annotations

from collections.abc import Mapping

from knet.control.objects.seen import Ref, Seen
from knet.routing.table import Key


class Known:
    """Objects of a gateway as they were read last. `children`: those that a KIngress controls."""

    def __init__(self) -> None:
        self.seen: dict[Ref, Seen] = {}
        self._children: dict[Key, set[Ref]] = {}
        self._settled: dict[Ref, tuple[bytes, bytes]] = {}

    def heard(self, ref: Ref, new: Seen | None) -> bool:
        """Takes in an event; False if what knet wrote itself is newer."""
        if new and self._is_newer(ref, new):
            return False
        self._note(ref, new)
        return True

    def written(self, ref: Ref, wanted: bytes, made: Seen) -> None:
        """Takes in what a write of something with the digest `wanted` has made."""
        if made.digest != wanted:  # defaults, or somebody else's fields: this is what it comes to
            self._settled[ref] = wanted, made.digest
        if not self._is_newer(
            ref, made
        ):  # the gateway may have judged it, and its event overtaken the answer
            self._note(ref, made)

    def is_so(self, ref: Ref, wanted: bytes) -> bool:
        """Whether an object is there as wanted."""
        seen = self.seen.get(ref)
        return seen is not None and (seen.digest == wanted or self._settled.get(ref) == (wanted, seen.digest))

    def forget(self, ref: Ref) -> None:
        """An object was deleted: what its writes came to counts no longer."""
        self._settled.pop(ref, None)

    def children(self, parent: Key) -> Mapping[Ref, Seen]:
        """The objects that a KIngress controls."""
        return {ref: self.seen[ref] for ref in self._children.get(parent, ()) if ref in self.seen}

    def _is_newer(self, ref: Ref, other: Seen) -> bool:
        """Whether what is known of an object is newer than `other`."""
        known = self.seen.get(ref)
        return known is not None and _number(known.version) > _number(other.version)

    def _note(self, ref: Ref, new: Seen | None) -> None:
        old = self.seen.pop(ref, None) if new is None else self.seen.get(ref)
        if old and old.parent:
            of = self._children.get(old.parent, set())
            of.discard(ref)
            if not of:
                self._children.pop(old.parent, None)
        if new is None:
            return
        self.seen[ref] = new
        if new.parent:
            self._children.setdefault(new.parent, set()).add(ref)


def _number(version: str) -> int:
    """Resource versions of one kind can be compared (Kubernetes 1.35: they are numbers)."""
    return int(version) if version.isdigit() else 0
