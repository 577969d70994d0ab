"""One resource type on one stream: what the client asked for, has, is being sent and has refused."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from knet.envoy.session_messages import Refusal
from knet.envoy.session_rules import BISECTED, window
from knet.envoy.snapshot import Resource

Flight = dict[str, Resource | None]
"""What one unanswered response carries: a resource, or None for a removal, by name."""


class Subscription:
    """State without policy: `Session` decides what is sent, this remembers it.

    `held`: what the client has acknowledged. `dirty`: names that have to be compared with the
    snapshot again, oldest first; a name is there once however often it changes, so that a slow
    client costs no more memory than a fast one. `owed`: the first answer to a wildcard
    subscription is due even if it is empty. `asked`: names whose absence has to be answered.
    `again`: names that are due though the client has them.
    """

    __slots__ = (
        "_flights",
        "_flying",
        "_groups",
        "_suspects",
        "again",
        "asked",
        "dirty",
        "held",
        "names",
        "owed",
        "refused",
        "type_url",
        "wildcard",
    )

    def __init__(self, type_url: str) -> None:
        self.type_url = type_url
        self.wildcard = False
        self.owed = False
        self.names: set[str] = set()
        self.asked: set[str] = set()
        self.again: set[str] = set()
        self.held: dict[str, Resource] = {}
        self.refused: dict[str, Refusal] = {}
        self.dirty: OrderedDict[str, None] = OrderedDict()
        self._flights: dict[str, Flight] = {}
        self._flying: dict[str, str] = {}
        self._groups: deque[tuple[str, ...]] = deque()
        self._suspects: set[str] = set()

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def touch(self, names: Iterable[str]) -> None:
        """These have to be compared with the snapshot."""
        for name in names:
            self.dirty[name] = None

    def send_again(self, name: str) -> None:
        """The client needs this once more, whatever it has or has refused."""
        self.again.add(name)
        self.refused.pop(name, None)
        self.dirty[name] = None

    @property
    def busy(self) -> bool:
        """Whether something is unanswered or still to be sent."""
        return bool(self._flights or self._groups or self.dirty)

    @property
    def has_room(self) -> bool:
        return len(self._flights) < window(self.type_url)

    def depart(self, nonce: str, flight: Flight) -> None:
        """A response leaves."""
        self._flights[nonce] = flight
        for name in flight:
            self._flying[name] = nonce

    def land(self, nonce: str) -> Flight | None:
        """The answered response without what was voided; None if the nonce is not (or no longer) known."""
        flight = self._flights.pop(nonce, None)
        for name in flight or ():
            del self._flying[name]
        return flight

    def void(self, name: str) -> Resource | None:
        """An answer will no longer say anything about this name; gives what was on its way."""
        nonce = self._flying.pop(name, None)
        return self._flights[nonce].pop(name) if nonce else None

    def flying(self, name: str) -> bool:
        return name in self._flying

    def sent(self, name: str) -> Resource | None:
        """What is on its way under a name."""
        nonce = self._flying.get(name)
        return self._flights[nonce][name] if nonce else None

    def departing(self, name: str) -> bool:
        """Whether the name's removal is on its way."""
        nonce = self._flying.get(name)
        return nonce is not None and self._flights[nonce][name] is None

    def suspect(self, names: tuple[str, ...]) -> None:
        """A response with several resources was refused: find out which of them it was."""
        middle = len(names) // 2
        halves = (names[:middle], names[middle:])
        groups = halves if self.type_url in BISECTED else [(name,) for name in names]
        self._groups.extendleft(reversed(groups))
        self._suspects.update(names)

    def is_suspect(self, name: str) -> bool:
        return name in self._suspects

    def next_suspects(self) -> tuple[str, ...]:
        """The next group that has to travel on its own; empty if there is none."""
        while self._groups:
            group = tuple(name for name in self._groups.popleft() if name in self._suspects)
            self._suspects.difference_update(group)
            if group:
                return group
        return ()

    def forget(self, name: str) -> None:
        """Drops all that is remembered of a name but what the client holds or is being sent."""
        self.dirty.pop(name, None)
        self.asked.discard(name)
        self.again.discard(name)
        self.refused.pop(name, None)
        self._suspects.discard(name)

    def versions(self) -> Mapping[str, str]:
        """What the client has acknowledged, name → version."""
        return {name: found.version for name, found in self.held.items()}
