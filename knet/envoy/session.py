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

from knet.envoy.session_client import Client
from knet.envoy.session_messages import Refusal, Request, Response
from knet.envoy.session_needs import Needs
from knet.envoy.session_rules import ORDER, SILENT, limit
from knet.envoy.session_warming import temporary_scope
from knet.envoy.snapshot import CLUSTER, ENDPOINT, ROUTE, SCOPE, Ref, Resource, Snapshot
from knet.envoy.subscriptions import Flight, Subscription


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
        self._client = Client(remembered or {}, warming)
        self._needs = Needs(self._client)
        self._nonce = 0

    def receive(self, request: Request) -> list[Response]:
        """What the client says: a subscription, an ACK or a NACK, or several in one."""
        self._client.hear(request)
        return self._pump()

    def publish(self, snapshot: Snapshot) -> list[Response]:
        """What the client is to have from now on."""
        self._client.expect(snapshot)
        return self._pump()

    # What is known of the client

    @property
    def acked(self) -> Mapping[str, Mapping[str, str]]:
        """Versions that the client has acknowledged, by type URL and name."""
        return {url: sub.versions() for url, sub in self._client.subscriptions.items()}

    @property
    def nacked(self) -> Mapping[str, Mapping[str, Refusal]]:
        """What the client has refused and not accepted since, by type URL and name."""
        found = {url: dict(sub.refused) for url, sub in self._client.subscriptions.items() if sub.refused}
        for (url, name), refusal in self._client.remembered.items():
            wanted = self._client.snapshot.get(url, name) if self._client.snapshot else None
            if wanted is not None and wanted.version == refusal.version:
                found.setdefault(url, {})[name] = refusal
        return found

    @property
    def waiting(self) -> Mapping[Ref, frozenset[Ref]]:
        """Resources that are held back, and what each of them waits for."""
        return self._client.waiting.all()

    def takes_all(self, type_url: str) -> bool:
        """Whether the client asked for every resource of a type."""
        sub = self._client.subscriptions.get(type_url)
        return sub is not None and sub.wildcard

    def version(self, ref: Ref) -> str:
        """The version of a resource that the client has acknowledged; "" if it has none."""
        sub = self._client.subscriptions.get(ref[0])
        held = sub.held.get(ref[1]) if sub else None
        return held.version if held else ""

    def refusal(self, ref: Ref) -> Refusal | None:
        """How the client refused a resource, if it did."""
        sub = self._client.subscriptions.get(ref[0])
        found = sub.refused.get(ref[1]) if sub else None
        return found or self._client.remembered.get(ref)

    def take_progress(self) -> tuple[Ref, ...]:
        """What the client has acknowledged, dropped or refused since the last call."""
        progress, self._client.progress = tuple(self._client.progress), {}
        return progress

    # What is sent

    def _pump(self) -> list[Response]:
        if self._client.snapshot is None:
            return []
        responses: list[Response] = []
        self._client.take_freed()
        while True:
            for url in ORDER:
                sub = self._client.subscriptions.get(url)
                while sub is not None and sub.has_room:
                    flight = self._next_flight(sub)
                    if flight is None:
                        break
                    responses.append(self._depart(sub, flight))
            if not self._client.take_freed():  # nothing has come free while types were looked at
                return responses

    def _depart(self, sub: Subscription, flight: Flight) -> Response:
        self._nonce += 1
        nonce = str(self._nonce)
        sub.depart(nonce, flight)
        sub.owed = False
        for name, found in flight.items():
            self._client.ledger.add(sub.type_url, found)
            if sub.type_url == CLUSTER:
                self._client.pin_endpoints(found)
                self._client.load_endpoints_again(name, sub.held.get(name), found)
        resources = tuple(found for found in flight.values() if found is not None)
        removed = tuple(name for name, found in flight.items() if found is None)
        return Response(sub.type_url, nonce, resources, removed)

    def _next_flight(self, sub: Subscription) -> Flight | None:
        if sub.type_url == SCOPE and sub.owed and self._client.busy(CLUSTER, ENDPOINT):
            return None  # the first answer counts as all scopes: it waits until all can go
        while group := sub.next_suspects():
            if flight := self._judged(sub, group, len(group)):
                return flight
        flight = self._judged(sub, self._taken(sub), limit(sub.type_url, len(sub.dirty)))
        return flight if flight or sub.owed else None

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
        self._needs.look_anew()
        for name in names:
            verdict = self._judge(sub, name)
            if verdict is not _Verdict.NOTHING:
                flight[name] = self._client.want(sub, name) if verdict is _Verdict.SEND else None
                sub.asked.discard(name)
                sub.again.discard(name)
            if len(flight) == most:
                break
        return flight

    def _judge(self, sub: Subscription, name: str) -> _Verdict:
        ref = (sub.type_url, name)
        self._client.waiting.forget(ref)
        self._client.leaving.discard(ref)
        if sub.flying(name):
            return _Verdict.NOTHING  # looked at again when the answer comes
        if remembered := self._client.remembered.pop(ref, None):
            sub.refused[name] = remembered
        want, have = self._client.want(sub, name), sub.held.get(name)
        if want is None:
            return self._judge_absent(sub, name, have)
        refused = sub.refused.get(name)
        if refused is not None and refused.version != want.version:
            del sub.refused[name]
            refused = None
        same = have is not None and have.version == want.version
        if same and have is not want:
            self._client.hold(sub, name, want)  # known in full from now on
        if (same or refused is not None) and name not in sub.again:
            sub.touch(self._client.warming.done(name) if sub.type_url == SCOPE else ())
            return _Verdict.NOTHING
        if missing := self._missing(sub, want, have):
            self._client.waiting.put(ref, missing)
            return _Verdict.NOTHING
        return _Verdict.SEND

    def _judge_absent(self, sub: Subscription, name: str, have: Resource | None) -> _Verdict:
        ref = (sub.type_url, name)
        sub.refused.pop(name, None)
        if sub.type_url == SCOPE:
            sub.touch(self._client.warming.done(name))
        if sub.type_url in SILENT or (have is None and name not in sub.asked):
            return _Verdict.NOTHING
        if self._client.ledger.used(ref) or not self._client.introduced(sub.type_url):
            self._client.leaving.add(ref)
            return _Verdict.NOTHING
        return _Verdict.REMOVE

    def _missing(self, sub: Subscription, want: Resource, have: Resource | None) -> set[Ref]:
        """What has to be on the client before `want` may go there; starts to warm it if it must."""
        if self._client.snapshot is None or sub.type_url == CLUSTER:
            return set()
        missing = self._needs.missing(self._client.snapshot, sub.type_url, want)
        if sub.type_url == SCOPE and have is not None and not missing and self._client.warming.possible:
            for ref in want.references or ():
                if ref[0] == ROUTE and not self._loaded(sub, ref):
                    sub.touch(self._client.warming.start(want.name, ref[1]))
                    if not self._loaded(sub, ref):  # it may have been warmed for somebody else
                        missing |= {ref, (SCOPE, temporary_scope(ref[1]))}
        return missing

    def _loaded(self, scopes: Subscription, route: Ref) -> bool:
        """Whether the client has a RouteConfiguration, and a scope that goes on naming it.

        The client drops it with the last such scope, and we hear of that later.
        """
        staying = (self._client.want(scopes, name) for name in self._client.warming.holders(route))
        named = any(found is not None and route in (found.references or ()) for found in staying)
        return named and self._needs.has(route)
