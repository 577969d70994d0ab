"""Who may go, where, and who waits: the activator's decisions for one revision. Pure, the clock is an argument.

A request takes a place at the pod with the fewest, in the order of arrival; with a limit (`containerConcurrency`)
never more than that at one pod. Where no place is free it waits, up to a number of waiting requests and for a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

Key = tuple[str, str]
"""(namespace, name) of a revision."""


class Refusal(Enum):
    """Why a request does not go to a pod."""

    FULL = "full"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts for one revision. `concurrency` 0: no limit. `patience`: seconds that a request may wait."""

    concurrency: int = 0
    patience: float = 300.0
    depth: int = 10_000


@dataclass(slots=True)
class Room:
    """For requests that wait, of all revisions: each costs Envoy and us some 70 kB."""

    most: int = 10_000
    taken: int = 0


@dataclass(slots=True)
class Pod:
    """One pod that takes requests. `limit` 0: any number; `load` is how many it has, `used` how many it had."""

    address: str
    protocol: str
    limit: int
    load: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """A place at a pod, taken until `Gate.done`. `came`: when the request did."""

    gate: Gate
    pod: Pod
    number: int
    came: float


@dataclass(slots=True, eq=False)
class Ticket:
    """A request that waits. `told` hears of its lease or refusal, once."""

    gate: Gate
    told: Callable[[Lease | Refusal], None]
    due: float
    came: float


class Gate:
    """One revision's pods, places and waiting requests."""

    def __init__(self, key: Key, rules: Rules, now: float, number: Callable[[], int], room: Room) -> None:
        """`number` gives numbers for leases, each once; `room` is shared with other revisions."""
        self.key = key
        self.rules = rules
        self.pods: dict[str, Pod] = {}
        self.waiting: OrderedDict[Ticket, None] = OrderedDict()
        self.running = 0
        self.requests = 0
        self.refused = 0
        self._number = number
        self._room = room
        self._changed = now
        self._area = 0.0

    @property
    def concurrency(self) -> int:
        """Requests inside: waiting and at pods."""
        return self.running + len(self.waiting)

    def area(self, now: float) -> float:
        """The integral of `concurrency`, requests × seconds."""
        self._move(now)
        return self._area

    def arrive(self, told: Callable[[Lease | Refusal], None], now: float) -> Ticket | None:
        """A request comes. `told` hears at once, or later if a Ticket is given."""
        self._move(now)
        self.requests += 1
        if not self.waiting and (pod := self._free()) is not None:
            told(self._take(pod, now))
            return None
        if self._room.taken >= self._room.most or len(self.waiting) >= self.rules.depth:
            self.refused += 1
            told(Refusal.FULL)
            return None
        ticket = Ticket(self, told, now + self.rules.patience, now)
        self.waiting[ticket] = None
        self._room.taken += 1
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """Whoever waited has gone. Nothing happens if it does not wait any longer."""
        self._move(now)
        if ticket in self.waiting:
            del self.waiting[ticket]
            self._room.taken -= 1

    def done(self, lease: Lease, now: float) -> None:
        """A request has ended; the next goes."""
        self._move(now)
        lease.pod.load -= 1
        self.running -= 1
        self.release(now)

    def resize(self, pods: Mapping[str, tuple[str, int]], now: float) -> None:
        """The pods that take requests: address → (protocol, limit). Requests at others go on there."""
        found = {}
        for address, (protocol, limit) in pods.items():
            pod = self.pods.get(address) or Pod(address, protocol, limit)
            pod.protocol, pod.limit = protocol, limit
            found[address] = pod
        self.pods = found
        self.release(now)

    def release(self, now: float) -> None:
        """Lets those go for whom there are places, oldest first."""
        self._move(now)
        while self.waiting and (pod := self._free()) is not None:
            ticket = self._next()
            ticket.told(self._take(pod, ticket.came))

    def expire(self, now: float) -> None:
        """Refuses those that have waited for too long."""
        self._move(now)
        while self.waiting and next(iter(self.waiting)).due <= now:
            self.refused += 1
            self._next().told(Refusal.LATE)

    def close(self, now: float) -> None:
        """The revision is gone: nobody will ever let these go."""
        self._move(now)
        while self.waiting:
            self._next().told(Refusal.UNKNOWN)

    def _next(self) -> Ticket:
        ticket, _ = self.waiting.popitem(last=False)
        self._room.taken -= 1
        return ticket

    def _free(self) -> Pod | None:
        """The pod with the fewest requests that takes one more; of equals the one that was used least."""
        best: Pod | None = None
        for pod in self.pods.values():
            if pod.limit and pod.load >= pod.limit:
                continue
            if best is None or (pod.load, pod.used) < (best.load, best.used):
                best = pod
        return best

    def take_up(self, address: str, number: int, now: float) -> Lease:
        """A request that an earlier process let go to a pod and that is under way still."""
        self._move(now)
        pod = self.pods.setdefault(address, Pod(address, "", self.rules.concurrency))
        return self._take(pod, now, number)

    def _take(self, pod: Pod, came: float, number: int | None = None) -> Lease:
        pod.load += 1
        pod.used += 1
        self.running += 1
        return Lease(self, pod, self._number() if number is None else number, came)

    def _move(self, now: float) -> None:
        self._area += self.concurrency * (now - self._changed)
        self._changed = now


def share(addresses: Iterable[str], concurrency: int, own: int, activators: int) -> dict[str, int]:
    """The limits of the pods that one of several activators uses: address → limit, 0 for any number.

    Without a concurrency limit all use all. With one, each has pods to itself; what does not divide is shared, with
    its places dealt out. Whoever gets none that way has one place at one pod: better a queue there than a request
    that nobody takes.
    """
    ordered = sorted(addresses)
    if not concurrency or activators < 2 or not 0 <= own < activators:
        return dict.fromkeys(ordered, concurrency)
    whole = len(ordered) // activators * activators
    limits = {address: concurrency for i, address in enumerate(ordered[:whole]) if i % activators == own}
    each, rest = divmod(concurrency, activators)
    for i, address in enumerate(ordered[whole:]):
        places = each + ((own - i) % activators < rest)  # who gets the odd places differs from pod to pod
        if places:
            limits[address] = places
    if not limits and ordered:
        limits[ordered[own % len(ordered)]] = 1
    return limits
