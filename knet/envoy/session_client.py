"""What a client has said and has: one side of a session, which `Session` judges by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from knet.envoy.session_ledger import Ledger, Waiting
from knet.envoy.session_messages import Refusal, Request
from knet.envoy.session_rules import LEGACY_WILDCARD, ORDER, REFERRERS, REMEMBERED
from knet.envoy.session_warming import Warming
from knet.envoy.snapshot import CLUSTER, ENDPOINT, SCOPE, Ref, Resource, Snapshot
from knet.envoy.subscriptions import Flight, Subscription

WILDCARD = "*"


class Client:
    """Takes requests and snapshots, and marks what has to be judged again.

    `leaving`: removals that wait until nothing on the client names them. `pinned`: endpoints of
    clusters that are on their way. `remembered`: refusals on an earlier stream, not yet met again.
    `unread`: clusters that went without our knowing which endpoints they had.
    """

    def __init__(self, remembered: Mapping[Ref, Refusal], warming: Callable[[str], Resource] | None) -> None:
        self.snapshot: Snapshot | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.remembered = {ref: r for ref, r in remembered.items() if ref[0] in REMEMBERED}
        self.ledger = Ledger()
        self.waiting = Waiting()
        self.leaving: set[Ref] = set()
        self.warming = Warming(warming)
        self.pinned: dict[str, Resource] = {}
        self.unread: set[str] = set()
        self.progress: dict[Ref, None] = {}
        self.resumed = False
        self._answers = False

    def hear(self, request: Request) -> None:
        """A subscription, an ACK or a NACK, or several in one. Types that are not served are ignored."""
        sub = self.subscriptions.get(request.type_url)
        first = sub is None
        if sub is None:
            if request.type_url not in ORDER:
                return
            sub = self.subscriptions[request.type_url] = Subscription(request.type_url)
            self._resume(sub, request)
            for url, name in self.waiting.all():
                self.subscriptions[url].dirty[name] = None
        if first or (request.nonce and not self._answers):
            self.ledger.reconsider()
        if request.nonce:
            self._answers = True
            self._answered(sub, request)
        if first and not request.subscribe and sub.type_url in LEGACY_WILDCARD:
            self._subscribe(sub, (WILDCARD,), request.initial_versions)
        self._subscribe(sub, request.subscribe, request.initial_versions)
        self._unsubscribe(sub, request.unsubscribe)

    def expect(self, snapshot: Snapshot) -> None:
        """What the client is to have from now on."""
        old, self.snapshot = self.snapshot, snapshot
        for ref in snapshot.changes_since(old):
            self.wake(ref)
            if old is not None:
                self.remembered.pop(ref, None)
            sub = self.subscriptions.get(ref[0])
            if sub is not None and sub.wants(ref[1]):
                sub.dirty[ref[1]] = None
        if old is None:
            for sub in self.subscriptions.values():
                sub.touch(sub.held)
                sub.touch(sub.names)

    def take_freed(self) -> set[Ref]:
        """The removals that nothing stands against any longer."""
        freed = {ref for ref in self.ledger.take_freed(self.leaving) if self.introduced(ref[0])}
        self.leaving -= freed
        for url, name in freed:
            self.subscriptions[url].dirty[name] = None
        return freed

    def want(self, sub: Subscription, name: str) -> Resource | None:
        """What the client is to have under a name."""
        if self.snapshot is None or not sub.wants(name):
            return None
        found = self.snapshot.get(sub.type_url, name)
        if found is None and sub.type_url == SCOPE:
            return self.warming.get(name)
        if found is None and sub.type_url == ENDPOINT:
            return self.pinned.get(name)
        return found

    def introduced(self, type_url: str) -> bool:
        """Whether the client has said what it has that may name resources of a type.

        A client that resumes introduces one type after the other, and all before it answers anything.
        """
        known = self._answers or not self.resumed
        return known or all(url in self.subscriptions for url in REFERRERS.get(type_url, ()))

    def busy(self, *types: str) -> bool:
        return any(self.subscriptions[url].busy for url in types if url in self.subscriptions)

    def _resume(self, sub: Subscription, request: Request) -> None:
        """Takes over what the client kept from an earlier stream, of which only versions are known."""
        url = sub.type_url
        self.resumed = self.resumed or bool(request.initial_versions)
        # a client that asks for clusters last does so because one is warming, and waits for endpoints
        warming = url == ENDPOINT and CLUSTER not in self.subscriptions
        unknown = None if any(url in types for types in REFERRERS.values()) else ()
        for name, version in request.initial_versions.items():
            held = Resource(name, version, b"", unknown)
            sub.held[name] = held
            self.ledger.add(url, held)
            if warming or (url == ENDPOINT and name in self.pinned):
                sub.send_again(name)

    def _subscribe(self, sub: Subscription, names: Iterable[str], kept: Mapping[str, str]) -> None:
        for name in names:
            if name != WILDCARD:
                sub.names.add(name)
                sub.asked.add(name)
                if name not in kept:
                    self.let_go(sub, name)  # a subscription is always answered, even a second one
                sub.dirty[name] = None
            elif not sub.wildcard:
                sub.wildcard = True
                sub.owed = not kept
                sub.touch(self.snapshot.of_type(sub.type_url) if self.snapshot else ())
                sub.touch(sub.held)

    def _unsubscribe(self, sub: Subscription, names: Iterable[str]) -> None:
        for name in names:
            if name == WILDCARD:
                sub.wildcard = False
                for held in [n for n in (*sub.held, *sub.dirty) if not sub.wants(n)]:
                    self._dismiss(sub, held)
                continue
            sub.names.discard(name)
            if sub.wildcard:
                self.let_go(sub, name)
                sub.dirty[name] = None
                sub.asked.add(name)
            else:
                self._dismiss(sub, name)

    def let_go(self, sub: Subscription, name: str) -> None:
        """The client does not have this, nor will an answer on its way say that it does."""
        self.ledger.drop(sub.type_url, sub.void(name))
        self.hold(sub, name, None)

    def _dismiss(self, sub: Subscription, name: str) -> None:
        self.let_go(sub, name)
        sub.forget(name)
        self.waiting.forget((sub.type_url, name))

    def _answered(self, sub: Subscription, request: Request) -> None:
        flight = sub.land(request.nonce)
        if flight is None:
            return
        for name, sent in flight.items():
            if request.error is None:
                self.hold(sub, name, sent)
                sub.refused.pop(name, None)
            self.ledger.drop(sub.type_url, sent)
            for _, pinned in sent.references or () if sent and sub.type_url == CLUSTER else ():
                self.pinned.pop(pinned, None)
            if self.want(sub, name) is not sent or name in sub.again:
                sub.dirty[name] = None
            if sub.type_url == SCOPE:
                sub.touch(self.warming.done(name))
        if request.error is not None:
            self._refused(sub, flight, request.error)

    def _refused(self, sub: Subscription, flight: Flight, words: str) -> None:
        if len(flight) > 1:
            sub.suspect(tuple(flight))
            return
        for name, sent in flight.items():
            sub.refused[name] = Refusal(sent.version if sent else "", words)
            self.progress[sub.type_url, name] = None

    def hold(self, sub: Subscription, name: str, new: Resource | None) -> None:
        """The client now has `new` (None: nothing) under this name."""
        url = sub.type_url
        old = sub.held.pop(name, None)
        if new is not None:
            sub.held[name] = new
        if old is None and new is None:
            return
        self.ledger.add(url, new)
        self.ledger.drop(url, old)
        if url == SCOPE:
            self.warming.hold(name, old, new)
        self.progress[url, name] = None
        if old is None:
            self.wake((url, name))

    def wake(self, cause: Ref) -> None:
        for url, name in self.waiting.wake(cause):
            self.subscriptions[url].dirty[name] = None

    def pin_endpoints(self, cluster: Resource | None) -> None:
        """A cluster on its way can be warmed even if it is no longer published when it arrives."""
        for ref in cluster.references or () if cluster else ():
            if ref[0] == ENDPOINT and self.snapshot and (found := self.snapshot.get(*ref)):
                self.pinned[ref[1]] = found

    def load_endpoints_again(self, cluster: str, old: Resource | None, new: Resource | None) -> None:
        """A cluster that changes warms anew: it waits for endpoints, does not ask for them a second
        time, and no cluster is acknowledged until it has them. One that goes takes them with it.
        """
        gone = new is None
        if old is None:
            gone = cluster in self.unread
            self.unread.discard(cluster)
            if not gone:
                return
        elif (
            gone and old.references is None
        ):  # of an earlier stream: which they are is known if it comes back
            self.unread.add(cluster)
        endpoints = self.subscriptions.get(ENDPOINT)
        if endpoints is None:
            return
        for url, name in {*(old.references or () if old else ()), *(new.references or () if new else ())}:
            if url == ENDPOINT and endpoints.wants(name):
                if gone:
                    self.let_go(endpoints, name)
                else:
                    endpoints.send_again(name)
