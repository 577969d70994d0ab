"""Two indexes of a session: who names what on the client, and who waits for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from knet.envoy.session_rules import REFERRERS
from knet.envoy.snapshot import Ref, Resource


class Ledger:
    """Counts the references of all resources that the client has or is being sent.

    What is counted must not be removed.
    """

    __slots__ = ("_counts", "_freed", "_reconsider", "_unknown")

    def __init__(self) -> None:
        self._counts: Counter[Ref] = Counter()
        self._unknown: Counter[str] = Counter()
        self._freed: set[Ref] = set()
        self._reconsider = False

    def add(self, type_url: str, found: Resource | None) -> None:
        """The client may have this from now on."""
        if found is None:
            return
        if found.references is None:
            self._unknown[type_url] += 1
            return
        for ref in found.references:
            self._counts[ref] += 1

    def drop(self, type_url: str, found: Resource | None) -> None:
        """The client cannot have this any longer."""
        if found is None:
            return
        if found.references is None:
            self._unknown[type_url] -= 1
            if not self._unknown[type_url]:
                self.reconsider()
            return
        for ref in found.references:
            self._counts[ref] -= 1
            if not self._counts[ref]:
                del self._counts[ref]
                self._freed.add(ref)

    def used(self, ref: Ref) -> bool:
        """Whether something on the client names `ref`, or may: of some only the version is known."""
        return ref in self._counts or any(self._unknown[url] for url in REFERRERS.get(ref[0], ()))

    def reconsider(self) -> None:
        """More is known of the client: the next `take_freed` looks at all that is wanted."""
        self._reconsider = True

    def take_freed(self, wanted: set[Ref]) -> set[Ref]:
        """Those of `wanted` that may have come free since the last call."""
        candidates = wanted if self._reconsider else wanted & self._freed
        self._freed, self._reconsider = set(), False
        return {ref for ref in candidates if not self.used(ref)}


class Waiting:
    """Resources that cannot be sent yet, and what each of them waits for."""

    __slots__ = ("_by_cause", "_by_waiter")

    def __init__(self) -> None:
        self._by_cause: dict[Ref, set[Ref]] = {}
        self._by_waiter: dict[Ref, frozenset[Ref]] = {}

    def put(self, waiter: Ref, causes: Iterable[Ref]) -> None:
        """`waiter` has to be looked at again when any of `causes` changes."""
        self.forget(waiter)
        self._by_waiter[waiter] = frozenset(causes)
        for cause in self._by_waiter[waiter]:
            self._by_cause.setdefault(cause, set()).add(waiter)

    def forget(self, waiter: Ref) -> None:
        for cause in self._by_waiter.pop(waiter, ()):
            left = self._by_cause[cause]
            left.discard(waiter)
            if not left:
                del self._by_cause[cause]

    def wake(self, cause: Ref) -> tuple[Ref, ...]:
        """Who waited for `cause`; they wait no longer."""
        woken = tuple(self._by_cause.get(cause, ()))
        for waiter in woken:
            self.forget(waiter)
        return woken

    def causes(self, waiter: Ref) -> frozenset[Ref]:
        return self._by_waiter.get(waiter, frozenset())

    def all(self) -> dict[Ref, frozenset[Ref]]:
        return dict(self._by_waiter)
