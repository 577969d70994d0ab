"""The delta-xDS protocol of one stream, as a state machine without I/O, clock or protobuf.

Requests and snapshots go in, responses come out. What it guarantees, whatever the order of events:
- nothing is sent before what it names is there (cluster and its endpoints before the
  RouteConfiguration, that before its scope), and nothing removed while the client has, or is being
  sent, something that names it;
- a refused resource is found, remembered with the client's own words and not sent again until it
  changes; all others go through;
- what changes while the client is slow coalesces: the latest version is sent, never a queue.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping

from knet.envoy.session_ledger import Ledger, Waiting
from knet.envoy.session_messages import Refusal, Request, Response
from knet.envoy.session_needs import Needs
from knet.envoy.session_rules import LEGACY_WILDCARD, ORDER, REFERRERS, REMEMBERED, SILENT, limit
from knet.envoy.session_warming import Warming, temporary_scope
from knet.envoy.snapshot import CLUSTER, ENDPOINT, ROUTE, SCOPE, Ref, Resource, Snapshot
from knet.envoy.subscriptions import Flight, Subscription

WILDCARD = "*"


class _Verdict(enum.Enum):
    """What is to happen to a name now."""

    NOTHING = enum.auto()
    SEND = enum.auto()
    REMOVE = enum.auto()


class Session:
    """One stream. `remembered` are refusals of the same client on an earlier stream.

    `warming` makes the scope that loads a RouteConfiguration ahead of a handover (`Warming`).
    """

    def __init__(
        self,
        remembered: Mapping[Ref, Refusal] | None = None,
        warming: Callable[[str], Resource] | None = None,
    ) -> None:
        self._snapshot: Snapshot | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._remembered = {ref: r for ref, r in (remembered or {}).items() if ref[0] in REMEMBERED}
        self._ledger = Ledger()
        self._waiting = Waiting()
        self._leaving: set[Ref] = set()
        self._warming = Warming(warming)
        self._needs = Needs(self._subscriptions, self._remembered)
        self._pinned: dict[str, Resource] = {}
        self._nonce = 0
        self._resumed = self._answers = False
        self._progress: dict[Ref, None] = {}

    def receive(self, request: Request) -> list[Response]:
        """What the client says: a subscription, an ACK or a NACK, or several in one."""
        sub = self._subscriptions.get(request.type_url)
        first = sub is None
        if sub is None:
            if request.type_url not in ORDER:
                return []
            sub = self._subscriptions[request.type_url] = Subscription(request.type_url)
            self._resume(sub, request)
            for url, name in self._waiting.all():
                self._subscriptions[url].dirty[name] = None
        if first or (request.nonce and not self._answers):
            self._ledger.reconsider()
        if request.nonce:
            self._answers = True
            self._answered(sub, request)
        if first and not request.subscribe and sub.type_url in LEGACY_WILDCARD:
            self._subscribe(sub, (WILDCARD,), request.initial_versions)
        self._subscribe(sub, request.subscribe, request.initial_versions)
        self._unsubscribe(sub, request.unsubscribe)
        return self._pump()

    def publish(self, snapshot: Snapshot) -> list[Response]:
        """What the client is to have from now on."""
        old, self._snapshot = self._snapshot, snapshot
        for ref in snapshot.changes_since(old):
            self._wake(ref)
            if old is not None:
                self._remembered.pop(ref, None)
            sub = self._subscriptions.get(ref[0])
            if sub is not None and sub.wants(ref[1]):
                sub.dirty[ref[1]] = None
        if old is None:
            for sub in self._subscriptions.values():
                sub.touch(sub.held)
                sub.touch(sub.names)
        return self._pump()

    # What is known of the client

    @property
    def acked(self) -> Mapping[str, Mapping[str, str]]:
        """Versions that the client has acknowledged, by type URL and name."""
        return {url: sub.versions() for url, sub in self._subscriptions.items()}

    @property
    def nacked(self) -> Mapping[str, Mapping[str, Refusal]]:
        """What the client has refused and not accepted since, by type URL and name."""
        found = {url: dict(sub.refused) for url, sub in self._subscriptions.items() if sub.refused}
        for (url, name), refusal in self._remembered.items():
            wanted = self._snapshot.get(url, name) if self._snapshot else None
            if wanted is not None and wanted.version == refusal.version:
                found.setdefault(url, {})[name] = refusal
        return found

    @property
    def waiting(self) -> Mapping[Ref, frozenset[Ref]]:
        """Resources that are held back, and what each of them waits for."""
        return self._waiting.all()

    def takes_all(self, type_url: str) -> bool:
        """Whether the client asked for every resource of a type."""
        sub = self._subscriptions.get(type_url)
        return sub is not None and sub.wildcard

    def version(self, ref: Ref) -> str:
        """The version of a resource that the client has acknowledged; "" if it has none."""
        sub = self._subscriptions.get(ref[0])
        held = sub.held.get(ref[1]) if sub else None
        return held.version if held else ""

    def refusal(self, ref: Ref) -> Refusal | None:
        """How the client refused a resource, if it did."""
        sub = self._subscriptions.get(ref[0])
        found = sub.refused.get(ref[1]) if sub else None
        return found or self._remembered.get(ref)

    def take_progress(self) -> tuple[Ref, ...]:
        """What the client has acknowledged, dropped or refused since the last call."""
        progress, self._progress = tuple(self._progress), {}
        return progress

    # What the client says

    def _resume(self, sub: Subscription, request: Request) -> None:
        """Takes over what the client kept from an earlier stream, of which only versions are known."""
        url = sub.type_url
        self._resumed = self._resumed or bool(request.initial_versions)
        # a client that asks for clusters last does so because one is warming, and waits for endpoints
        warming = url == ENDPOINT and CLUSTER not in self._subscriptions
        unknown = None if any(url in types for types in REFERRERS.values()) else ()
        for name, version in request.initial_versions.items():
            held = Resource(name, version, b"", unknown)
            sub.held[name] = held
            self._ledger.add(url, held)
            if warming or (url == ENDPOINT and name in self._pinned):
                sub.send_again(name)

    def _subscribe(self, sub: Subscription, names: Iterable[str], kept: Mapping[str, str]) -> None:
        for name in names:
            if name != WILDCARD:
                sub.names.add(name)
                sub.asked.add(name)
                if name not in kept:
                    self._let_go(sub, name)  # a subscription is always answered, even a second one
                sub.dirty[name] = None
            elif not sub.wildcard:
                sub.wildcard = True
                sub.owed = not kept
                sub.touch(self._snapshot.of_type(sub.type_url) if self._snapshot else ())
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
                self._let_go(sub, name)
                sub.dirty[name] = None
                sub.asked.add(name)
            else:
                self._dismiss(sub, name)

    def _let_go(self, sub: Subscription, name: str) -> None:
        """The client does not have this, nor will an answer on its way say that it does."""
        self._ledger.drop(sub.type_url, sub.void(name))
        self._hold(sub, name, None)

    def _dismiss(self, sub: Subscription, name: str) -> None:
        self._let_go(sub, name)
        sub.forget(name)
        self._waiting.forget((sub.type_url, name))

    def _answered(self, sub: Subscription, request: Request) -> None:
        flight = sub.land(request.nonce)
        if flight is None:
            return
        for name, sent in flight.items():
            if request.error is None:
                self._hold(sub, name, sent)
                sub.refused.pop(name, None)
            self._ledger.drop(sub.type_url, sent)
            for _, pinned in sent.references or () if sent and sub.type_url == CLUSTER else ():
                self._pinned.pop(pinned, None)
            if self._want(sub, name) is not sent or name in sub.again:
                sub.dirty[name] = None
            if sub.type_url == SCOPE:
                sub.touch(self._warming.done(name))
        if request.error is not None:
            self._refused(sub, flight, request.error)

    def _refused(self, sub: Subscription, flight: Flight, words: str) -> None:
        if len(flight) > 1:
            sub.suspect(tuple(flight))
            return
        for name, sent in flight.items():
            sub.refused[name] = Refusal(sent.version if sent else "", words)
            self._progress[sub.type_url, name] = None

    def _hold(self, sub: Subscription, name: str, new: Resource | None) -> None:
        """The client now has `new` (None: nothing) under this name."""
        url = sub.type_url
        old = sub.held.pop(name, None)
        if new is not None:
            sub.held[name] = new
        if old is None and new is None:
            return
        self._ledger.add(url, new)
        self._ledger.drop(url, old)
        if url == SCOPE:
            self._warming.hold(name, old, new)
        self._progress[url, name] = None
        if old is None:
            self._wake((url, name))

    def _pin_endpoints(self, cluster: Resource | None) -> None:
        """A cluster on its way can be warmed even if it is no longer published when it arrives."""
        for ref in cluster.references or () if cluster else ():
            if ref[0] == ENDPOINT and self._snapshot and (found := self._snapshot.get(*ref)):
                self._pinned[ref[1]] = found

    def _load_endpoints_again(self, old: Resource | None, new: Resource | None) -> None:
        """A cluster that changes warms anew: it waits for endpoints, does not ask for them a second
        time, and no cluster is acknowledged until it has them.
        """
        endpoints = self._subscriptions.get(ENDPOINT)
        if endpoints is None or old is None:
            return
        for url, name in {*(old.references or ()), *(new.references or () if new else ())}:
            if url == ENDPOINT and endpoints.wants(name):
                if new is None:
                    self._let_go(endpoints, name)
                else:
                    endpoints.send_again(name)

    def _wake(self, cause: Ref) -> None:
        for url, name in self._waiting.wake(cause):
            self._subscriptions[url].dirty[name] = None

    # What is sent

    def _pump(self) -> list[Response]:
        if self._snapshot is None:
            return []
        responses: list[Response] = []
        self._release()
        while True:
            for url in ORDER:
                sub = self._subscriptions.get(url)
                while sub is not None and sub.has_room:
                    flight = self._next_flight(sub)
                    if flight is None:
                        break
                    responses.append(self._depart(sub, flight))
            if not self._release():  # nothing has come free while types were looked at
                return responses

    def _release(self) -> bool:
        """Removals that nothing on the client stands against any longer are due. Says if there are any."""
        freed = {ref for ref in self._ledger.take_freed(self._leaving) if self._introduced(ref[0])}
        for url, name in freed:
            self._leaving.discard((url, name))
            self._subscriptions[url].dirty[name] = None
        return bool(freed)

    def _depart(self, sub: Subscription, flight: Flight) -> Response:
        self._nonce += 1
        nonce = str(self._nonce)
        sub.depart(nonce, flight)
        sub.owed = False
        for name, found in flight.items():
            self._ledger.add(sub.type_url, found)
            if sub.type_url == CLUSTER:
                self._pin_endpoints(found)
                self._load_endpoints_again(sub.held.get(name), found)
        resources = tuple(found for found in flight.values() if found is not None)
        removed = tuple(name for name, found in flight.items() if found is None)
        return Response(sub.type_url, nonce, resources, removed)

    def _next_flight(self, sub: Subscription) -> Flight | None:
        if sub.type_url == SCOPE and sub.owed and self._busy(CLUSTER, ENDPOINT):
            return None  # the first answer counts as all scopes: it waits until all can go
        while group := sub.next_suspects():
            if flight := self._judged(sub, group, len(group)):
                return flight
        flight = self._judged(sub, self._taken(sub), limit(sub.type_url, len(sub.dirty)))
        return flight if flight or sub.owed else None

    def _busy(self, *types: str) -> bool:
        return any(self._subscriptions[url].busy for url in types if url in self._subscriptions)

    @staticmethod
    def _taken(sub: Subscription) -> Iterable[str]:
        while sub.dirty:
            name, _ = sub.dirty.popitem(last=False)
            if not sub.is_suspect(name):
                yield name

    def _judged(self, sub: Subscription, names: Iterable[str], most: int) -> Flight:
        flight: Flight = {}
        if most == 0:
            return flight
        for name in names:
            verdict = self._judge(sub, name)
            if verdict is not _Verdict.NOTHING:
                flight[name] = self._want(sub, name) if verdict is _Verdict.SEND else None
                sub.asked.discard(name)
                sub.again.discard(name)
            if len(flight) == most:
                break
        return flight

    def _want(self, sub: Subscription, name: str) -> Resource | None:
        """What the client is to have under a name."""
        if self._snapshot is None or not sub.wants(name):
            return None
        found = self._snapshot.get(sub.type_url, name)
        if found is None and sub.type_url == SCOPE:
            return self._warming.get(name)
        if found is None and sub.type_url == ENDPOINT:
            return self._pinned.get(name)
        return found

    def _judge(self, sub: Subscription, name: str) -> _Verdict:
        ref = (sub.type_url, name)
        self._waiting.forget(ref)
        self._leaving.discard(ref)
        if sub.flying(name):
            return _Verdict.NOTHING  # looked at again when the answer comes
        if remembered := self._remembered.pop(ref, None):
            sub.refused[name] = remembered
        want, have = self._want(sub, name), sub.held.get(name)
        if want is None:
            return self._judge_absent(sub, name, have)
        refused = sub.refused.get(name)
        if refused is not None and refused.version != want.version:
            del sub.refused[name]
            refused = None
        same = have is not None and have.version == want.version
        if same and have is not want:
            self._hold(sub, name, want)  # known in full from now on
        if (same or refused is not None) and name not in sub.again:
            sub.touch(self._warming.done(name) if sub.type_url == SCOPE else ())
            return _Verdict.NOTHING
        if missing := self._missing(sub, want, have):
            self._waiting.put(ref, missing)
            return _Verdict.NOTHING
        return _Verdict.SEND

    def _introduced(self, type_url: str) -> bool:
        """Whether the client has said what it has that may name resources of a type.

        A client that resumes introduces one type after the other, and all before it answers anything.
        """
        known = self._answers or not self._resumed
        return known or all(url in self._subscriptions for url in REFERRERS.get(type_url, ()))

    def _judge_absent(self, sub: Subscription, name: str, have: Resource | None) -> _Verdict:
        ref = (sub.type_url, name)
        sub.refused.pop(name, None)
        if sub.type_url == SCOPE:
            sub.touch(self._warming.done(name))
        if sub.type_url in SILENT or (have is None and name not in sub.asked):
            return _Verdict.NOTHING
        if self._ledger.used(ref) or not self._introduced(sub.type_url):
            self._leaving.add(ref)
            return _Verdict.NOTHING
        return _Verdict.REMOVE

    def _missing(self, sub: Subscription, want: Resource, have: Resource | None) -> set[Ref]:
        """What has to be on the client before `want` may go there; starts to warm it if it must."""
        if self._snapshot is None or sub.type_url == CLUSTER:
            return set()
        self._needs.resumed = self._resumed
        missing = self._needs.missing(self._snapshot, sub.type_url, want)
        if sub.type_url == SCOPE and have is not None and not missing and self._warming.possible:
            for ref in want.references or ():
                if ref[0] == ROUTE and not self._loaded(sub, ref):
                    sub.touch(self._warming.start(want.name, ref[1]))
                    if not self._loaded(sub, ref):  # it may have been warmed for somebody else
                        missing |= {ref, (SCOPE, temporary_scope(ref[1]))}
        return missing

    def _loaded(self, scopes: Subscription, route: Ref) -> bool:
        """Whether the client has a RouteConfiguration, and a scope that goes on naming it.

        The client drops it with the last such scope, and we hear of that later.
        """
        staying = (self._want(scopes, name) for name in self._warming.holders(route))
        named = any(found is not None and route in (found.references or ()) for found in staying)
        return named and self._needs.has(route)
