"""Whatever happens to a stream, its client ends with what was published and never serves a gap."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import envoy_model as model
from knet.envoy.session import Session
from knet.envoy.session_messages import Response
from knet.envoy.snapshot import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPE, SECRET, Snapshot, consistent

REVISIONS = ("r0", "r1", "r2", "r3")
INGRESSES = ("i0", "i1", "i2")
HOSTS = ("h0", "h1", "h2")
MARKS = st.sampled_from(["", "x", "y", "z", model.BAD])

revisions = st.frozensets(st.sampled_from(REVISIONS), min_size=1, max_size=3)
ingress = st.tuples(revisions, MARKS)
some_hosts = st.frozensets(st.sampled_from(HOSTS), max_size=2)
moves = st.tuples(st.integers(0, 5), st.integers(0, 5))


class Stream(RuleBasedStateMachine):
    """Three ingresses that share hosts and revisions, one control plane, one Envoy."""

    @initialize(acks_first=st.booleans(), filler=st.sampled_from([0, 0, 40]))
    def start(self, acks_first, filler):
        self.filler = [f"f{i}" for i in range(filler)]
        self.ingresses: dict[str, tuple[frozenset[str], str]] = {}
        self.hosts: dict[str, str] = {}
        self.clusters = dict.fromkeys(REVISIONS, "")
        self.endpoints = dict.fromkeys(REVISIONS, "")
        self.snapshot = Snapshot()
        self.client = model.ModelEnvoy(acks_first=acks_first)
        self.publish()
        self.connect({})

    # the control plane

    def desired(self):
        routed = set(self.ingresses)
        used = {revision for targets, _ in self.ingresses.values() for revision in targets} | set(self.filler)
        routes = {i: model.route(i, sorted(t), mark) for i, (t, mark) in self.ingresses.items()}
        scopes = {h: model.scope(h, i) for h, i in self.hosts.items() if i in routed}
        routes |= {f: model.route(f, [f]) for f in self.filler}
        scopes |= {f: model.scope(f, f) for f in self.filler}
        return {
            "clusters": {r: model.cluster(r, self.clusters.get(r, "")) for r in used},
            "endpoints": {r: model.endpoints(r, self.endpoints.get(r, "")) for r in used},
            "routes": routes,
            "scopedRoutes": scopes,
        }

    def publish(self):
        self.snapshot = self.snapshot.replace(self.desired())
        assert consistent(self.snapshot) == ()
        if hasattr(self, "session"):
            self.inbox += self.session.publish(self.snapshot)

    def connect(self, remembered):
        self.restarted = hasattr(self, "session")
        self.session = Session(remembered, model.warming_scope)
        self.inbox: list[Response] = list(self.session.publish(self.snapshot))
        self.client.connect()

    @rule(name=st.sampled_from(INGRESSES), made=ingress, hosts=some_hosts, moves=moves)
    def set_ingress(self, name, made, hosts, moves):
        self.ingresses[name] = made
        self.hosts |= dict.fromkeys(hosts, name)
        self.publish()
        self.move(*moves)

    @rule(name=st.sampled_from(INGRESSES), moves=moves)
    def delete_ingress(self, name, moves):
        self.ingresses.pop(name, None)
        self.hosts = {h: i for h, i in self.hosts.items() if i != name}
        self.publish()
        self.move(*moves)

    @rule(
        of=st.sampled_from(["clusters", "endpoints"]),
        name=st.sampled_from(REVISIONS),
        mark=MARKS,
        moves=moves,
    )
    def change_revision(self, of, name, mark, moves):
        getattr(self, of)[name] = mark
        self.publish()
        self.move(*moves)

    @rule(moves=moves)
    def drop_filler(self, moves):
        self.filler = self.filler[: len(self.filler) // 2]
        self.publish()
        self.move(*moves)

    # the stream

    def move(self, server, client):
        """Each side reads some of what waits for it."""
        for _ in range(server):
            if self.client.outbox:
                self.inbox += self.session.receive(self.client.outbox.popleft())
        for _ in range(client):
            if self.inbox:
                self.client.take(self.inbox.pop(0))

    @rule(moves=moves)
    def time_passes(self, moves):
        self.move(*moves)

    @rule(who=st.sampled_from(["stream", "control plane", "envoy"]), moves=moves)
    def something_breaks(self, who, moves):
        remembered = {(u, n): r for u, found in self.session.nacked.items() for n, r in found.items()}
        if who == "control plane":
            self.snapshot, remembered = Snapshot.of(self.desired()), {}
        if who == "envoy":
            self.client = model.ModelEnvoy(acks_first=self.client.acks_first)
        self.connect(remembered)
        self.move(*moves)

    @rule()
    def settle(self):
        for _ in range(5000):
            self.move(1, 1)
            if not self.inbox and not self.client.outbox and not self.client.give_up(self.may_time_out()):
                return
        raise AssertionError("the stream does not come to rest")

    def may_time_out(self):
        """Clusters that were deleted while they warmed and the stream broke: it takes 15 s then."""
        return (
            {n for n in self.client.warming if not self.snapshot.get(CLUSTER, n)} if self.restarted else set()
        )

    @invariant()
    def no_gap(self):
        if hasattr(self, "client"):
            assert self.client.violations == []

    @invariant()
    def bounded(self):
        if hasattr(self, "inbox"):
            assert len(self.inbox) <= 3 + 3 * 8

    def teardown(self):
        if not hasattr(self, "client"):
            return
        self.settle()
        self.good_ones_are_there()
        self.ingresses = {i: (t, "") for i, (t, _) in self.ingresses.items()}
        self.clusters = dict.fromkeys(REVISIONS, "")
        self.endpoints = dict.fromkeys(REVISIONS, "")
        self.publish()
        self.settle()
        self.no_gap()
        self.same_state()

    def good_ones_are_there(self):
        """What is refused stands in nobody else's way."""
        held = self.client.bodies()
        cold = {r for r in REVISIONS if r not in held[CLUSTER] or r not in held[ENDPOINT]}
        # what was good of a response that was refused is there, but nobody can know when it turns bad meanwhile
        known = self.session.acked.get(ENDPOINT, {})
        cold |= {r for r, mark in self.endpoints.items() if mark == model.BAD and r not in known}
        for name, (targets, mark) in self.ingresses.items():
            named = name in self.hosts.values()
            if named and mark != model.BAD and not targets & cold:
                assert held[ROUTE][name] == self.snapshot.get(ROUTE, name).body
        for name, mark in self.clusters.items():
            if mark != model.BAD and self.snapshot.get(CLUSTER, name):
                assert held[CLUSTER][name] == self.snapshot.get(CLUSTER, name).body
        assert not any(model.refused(u, b) for u, found in held.items() for b in found.values())

    def same_state(self):
        held = self.client.bodies()
        for url in (CLUSTER, ENDPOINT, LISTENER, SCOPE, SECRET):
            assert held[url] == {n: r.body for n, r in self.snapshot.of_type(url).items()}
        named = set(self.hosts.values()) | set(self.filler)
        assert held[ROUTE] == {n: r.body for n, r in self.snapshot.of_type(ROUTE).items() if n in named}
        assert self.client.warming == set()
        assert self.session.nacked == {}
        assert self.session.waiting == {}
        assert {u: dict(v) for u, v in self.session.acked.items() if v} == {
            u: {n: r.version for n, r in found.items()} for u, found in self.client.held.items() if found
        }


Stream.TestCase.settings = settings(
    max_examples=250, stateful_step_count=30, deadline=None, report_multiple_bugs=False
)
TestStream = Stream.TestCase


def test_a_cluster_that_is_wanted_again_while_it_leaves_a_client_of_an_earlier_stream():
    stream = Stream()
    stream.start(acks_first=False, filler=0)
    stream.set_ingress("i0", (frozenset({"r1"}), ""), {"h0", "h1"}, (0, 0))
    stream.set_ingress("i1", (frozenset({"r0"}), ""), {"h0"}, (0, 0))
    stream.settle()
    stream.delete_ingress("i0", (0, 1))
    stream.something_breaks("stream", (0, 0))
    stream.time_passes((5, 0))  # of r1 only the version is known, and its removal is on its way
    stream.set_ingress("i1", (frozenset({"r0", "r1"}), ""), frozenset(), (0, 3))
    stream.no_gap()
    stream.teardown()
