"""Who goes, where and when: order, limits, the least-loaded pod, waiting and its ends, shares of several activators."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from knet.dataplane.activator_gate import Gate, Lease, Refusal, Room, Rules, share

KEY = ("default", "hello-00001")


class Asker(list):
    """What one request was told."""

    @property
    def pod(self):
        return self[0].pod.address


def gate(concurrency=0, *, room=None, **more):
    numbers = itertools.count(1)
    return Gate(KEY, Rules(concurrency, **more), 0.0, lambda: next(numbers), room or Room())


def pods(*names, limit=0):
    return dict.fromkeys(names, ("h1", limit))


def asked(of, count, now=0.0):
    askers = [Asker() for _ in range(count)]
    for asker in askers:
        asker.ticket = of.arrive(asker.append, now)
    return askers


def test_held_at_zero_and_released_in_order_when_a_pod_comes():
    g = gate(1)
    first, second, third = asked(g, 3)
    assert (first, second, third) == ([], [], [])
    g.resize(pods("a", limit=1), 1.0)
    assert (len(first), second, third) == (1, [], [])
    g.done(first[0], 2.0)
    assert (second.pod, third) == ("a", [])
    g.done(second[0], 3.0)
    assert third.pod == "a"
    assert g.concurrency == 1


def test_who_comes_later_does_not_overtake():
    g = gate(1)
    g.resize(pods("a", limit=1), 0)
    (running,) = asked(g, 1)
    waiting, late = asked(g, 2)
    g.done(running[0], 1)
    assert waiting.pod == "a"
    assert late == []


def test_the_pod_with_the_fewest_takes_the_next():
    g = gate()
    g.resize(pods("a", "b", "c"), 0)
    six = asked(g, 6)
    assert sorted(a.pod for a in six) == ["a", "a", "b", "b", "c", "c"]
    for asker in six:
        if asker.pod == "b":
            g.done(asker[0], 1)
    assert [a.pod for a in asked(g, 2)] == ["b", "b"]


def test_without_a_limit_nobody_waits():
    g = gate()
    g.resize(pods("a"), 0)
    assert all(a.pod == "a" for a in asked(g, 500))


def test_beyond_depth_and_room_it_is_full():
    room = Room(most=3)
    one, other = gate(depth=2, room=room), gate(depth=2, room=room)
    assert [list(a) for a in asked(one, 3)] == [[], [], [Refusal.FULL]]
    assert [list(a) for a in asked(other, 2)] == [[], [Refusal.FULL]]
    one.resize(pods("a"), 1)
    assert room.taken == 1
    assert [list(a) for a in asked(other, 2)] == [[], [Refusal.FULL]]  # its own depth now


def test_after_its_patience_a_request_is_late():
    g = gate(patience=10)
    (early,) = asked(g, 1, now=0)
    (later,) = asked(g, 1, now=5)
    g.expire(9.9)
    assert early == []
    g.expire(10)
    assert (early, later) == ([Refusal.LATE], [])
    g.resize(pods("a"), 11)
    assert later.pod == "a"


def test_who_has_gone_does_not_take_a_place():
    g = gate(1)
    gone, stays = asked(g, 2)
    g.leave(gone.ticket, 1)
    g.leave(gone.ticket, 1)
    g.resize(pods("a", limit=1), 2)
    assert gone == []
    assert stays.pod == "a"
    assert g.concurrency == 1


def test_a_pod_that_goes_takes_nobody_and_its_requests_end_as_they_end():
    g = gate(1)
    g.resize(pods("a", limit=1), 0)
    (running,) = asked(g, 1)
    (waiting,) = asked(g, 1)
    g.resize(pods("b", limit=1), 1)
    assert waiting.pod == "b"
    (third,) = asked(g, 1)
    g.done(running[0], 2)
    assert third == []
    g.done(waiting[0], 3)
    assert third.pod == "b"


def test_a_revision_that_is_deleted_refuses_who_waits():
    g = gate()
    (waiting,) = asked(g, 1)
    g.close(1)
    assert waiting == [Refusal.UNKNOWN]


def test_the_integral_counts_waiting_and_running_alike():
    g = gate(1)
    asked(g, 2, now=0.0)
    g.resize(pods("a", limit=1), 1.0)
    assert g.area(2.0) == pytest.approx(4.0)


def test_what_an_earlier_process_let_go_takes_its_place():
    g = gate(1)
    lease = g.take_up("a", 7, 0)
    g.resize(pods("a", limit=1), 1)
    (waiting,) = asked(g, 1)
    assert waiting == []
    g.done(lease, 2)
    assert waiting.pod == "a"


@given(st.integers(0, 30), st.integers(1, 20), st.integers(1, 8))
def test_activators_share_all_places_and_no_more(count, concurrency, activators):
    addresses = [f"10.0.0.{i}" for i in range(count)]
    shares = [share(reversed(addresses), concurrency, own, activators) for own in range(activators)]
    total = sum(sum(s.values()) for s in shares)
    lonely = sum(1 for s in shares if list(s.values()) == [1])
    assert count * concurrency <= total <= count * concurrency + lonely
    if count:
        assert all(shares)
    whole = count // activators * activators
    owners = [[i for i, s in enumerate(shares) if s.get(a) == concurrency] for a in sorted(addresses)[:whole]]
    assert activators == 1 or all(len(owner) == 1 for owner in owners)


@pytest.mark.parametrize(("concurrency", "own", "activators"), [(0, 1, 3), (5, -1, 3), (5, 0, 1)])
def test_without_a_limit_or_alone_all_pods_are_used_whole(concurrency, own, activators):
    assert share(["b", "a"], concurrency, own, activators) == {"a": concurrency, "b": concurrency}


class Gates(RuleBasedStateMachine):
    """Whatever happens: limits hold, order holds, nobody is told twice or forgotten."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.room = Room(most=8)
        self.gate = gate(2, patience=5, depth=6, room=self.room)
        self.askers = []
        self.over = set()

    @rule()
    def arrive(self):
        self.askers += asked(self.gate, 1, self.now)

    @rule(names=st.sets(st.sampled_from("abc")))
    def resize(self, names):
        self.gate.resize(pods(*sorted(names), limit=2), self.now)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def done(self, data):
        asker = data.draw(st.sampled_from(self.running()))
        self.over.add(id(asker))
        self.gate.done(asker[0], self.now)

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def leave(self, data):
        asker = data.draw(st.sampled_from(self.held()))
        asker.left = True
        self.gate.leave(asker.ticket, self.now)

    @rule(by=st.floats(0, 3))
    def wait(self, by):
        self.now += by
        self.gate.expire(self.now)

    def running(self):
        return [a for a in self.askers if a and isinstance(a[0], Lease) and id(a) not in self.over]

    def held(self):
        return [a for a in self.askers if not a and not hasattr(a, "left")]

    @invariant()
    def holds(self):
        assert all(len(a) <= 1 for a in self.askers)
        assert all(pod.load <= 2 for pod in self.gate.pods.values())
        assert self.gate.running == len(self.running())
        assert len(self.gate.waiting) == self.room.taken == len(self.held()) <= 6
        places = sum(2 - pod.load for pod in self.gate.pods.values())
        assert not (self.held() and places)
        told = [a for a in self.askers if a and isinstance(a[0], Lease)]
        numbers = [a[0].number for a in told if a.ticket is not None]
        assert numbers == sorted(numbers)  # those that waited went in the order in which they came


TestGates = Gates.TestCase
