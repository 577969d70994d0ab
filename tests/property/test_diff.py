"""Properties of `knet.routing.diff`: silence means equal decisions, and it reads the same backwards."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from knet.model.kingress import KIngress
from knet.routing.build import build, rebuild
from knet.routing.diff import affected, diff, reverse
from knet.routing.match import Request, decide
from knet.routing.table import RoutingTable
from strategies import kingresses, make_world, requests, worlds

ON_BUSY_MACHINES = settings(max_examples=60, deadline=None)


def shuffled(draw: st.DrawFn, ingress: KIngress) -> KIngress:
    """The KIngress with rules, paths, splits and hosts in another order."""
    rules = []
    for rule in draw(st.permutations(ingress.spec.rules)):
        paths = [
            p.model_copy(update={"splits": tuple(draw(st.permutations(p.splits)))})
            for p in draw(st.permutations(rule.http.paths))
        ]
        http = rule.http.model_copy(update={"paths": tuple(paths)})
        rules.append(
            rule.model_copy(update={"http": http, "hosts": tuple(draw(st.permutations(rule.hosts)))})
        )
    spec = ingress.spec.model_copy(update={"rules": tuple(rules)})
    return ingress.model_copy(update={"spec": spec})


@st.composite
def neighbours(draw):
    """Two worlds that differ little: KIngresses edited, reordered, added or taken away."""
    before = draw(st.lists(kingresses(), min_size=1, max_size=2))
    after = [shuffled(draw, k) if draw(st.booleans()) else k for k in before]
    if draw(st.integers(0, 2)) == 0:
        after[draw(st.integers(0, len(after) - 1))] = draw(kingresses())
    return make_world(*before), make_world(*after)


def decided(table: RoutingTable, request: Request):
    """The decision, as far as it is not the hash that answers probes."""
    found = decide(table, request)
    route = {n.lower(): v for n, v in found.set_headers}
    shares = Counter()
    for share in found.shares:
        edits = {n.lower(): v for n, v in share.set_headers} | route
        edits.pop("k-network-hash", None)
        shares[share.destination, tuple(sorted(edits.items()))] += share.probability
    return found.outcome, found.ingress, {k: round(p, 9) for k, p in shares.items()}, found.host_rewrite


@ON_BUSY_MACHINES
@given(worlds())
def test_a_table_does_not_differ_from_itself(world):
    assert diff(build(world), build(world)) == ()


@ON_BUSY_MACHINES
@given(neighbours(), st.data())
def test_silence_means_that_every_request_is_decided_alike(sides, data):
    old, new = (build(w) for w in sides)
    silent = not diff(old, new)
    for world in sides:
        for _ in range(4):
            request = data.draw(requests(world))
            if silent:
                assert decided(old, request) == decided(new, request)


@ON_BUSY_MACHINES
@given(neighbours(), st.data())
def test_a_request_that_is_decided_otherwise_is_for_a_host_that_is_reported(sides, data):
    old, new = (build(w) for w in sides)
    reported = {h for d in diff(old, new) for h in d.hosts}
    for world in sides:
        request = data.draw(requests(world))
        if decided(old, request) != decided(new, request):
            assert request.host.lower().partition(":")[0] in reported


@ON_BUSY_MACHINES
@given(neighbours())
def test_backwards_it_reads_the_mirror_image(sides):
    old, new = (build(w) for w in sides)

    def facts(found, turn=lambda c: c):
        return Counter((host, turn(c)) for d in found for host in d.hosts for c in d.changes)

    assert facts(diff(old, new), reverse) == facts(diff(new, old))


@ON_BUSY_MACHINES
@given(neighbours())
def test_only_what_is_affected_is_reported_and_a_shared_build_reports_the_same(sides):
    old, new = build(sides[0]), build(sides[1])
    keys = affected(old, new)
    found = diff(old, new)
    assert all(d.old in keys or d.new in keys for d in found)
    changed = [
        k
        for k in {**sides[0].ingresses, **sides[1].ingresses}
        if sides[0].ingresses.get(k) != sides[1].ingresses.get(k)
    ]
    assert diff(old, rebuild(old, sides[1], changed)) == found
