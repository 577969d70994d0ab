"""Snapshots: versions by content, changes at the cost of what changes, references that close."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envoy_model as model
from knet.envoy.snapshot import CLUSTER, ENDPOINT, ROUTE, SCOPE, Snapshot, consistent, version
from knet.envoy.snapshot_layers import Layered


def small(**more):
    return {
        "clusters": {"r0": model.cluster("r0")},
        "endpoints": {"r0": model.endpoints("r0")},
        "routes": {"i0": model.route("i0", ["r0"])},
        "scopedRoutes": {"h0": model.scope("h0", "i0")},
    } | more


@given(st.lists(st.dictionaries(st.integers(0, 90), st.none() | st.integers(), max_size=40), max_size=12))
def test_a_layered_mapping_is_a_dict_that_forgets_nothing(steps):
    layered, plain, before = Layered({n: n for n in range(50)}), {n: n for n in range(50)}, []
    for step in steps:
        before.append((layered, dict(plain)))
        layered = layered.updated(step)
        plain |= step
        plain = {k: v for k, v in plain.items() if v is not None}
        assert dict(layered) == plain
        assert len(layered) == len(plain)
        assert all((k in layered) == (k in plain) for k in range(-1, 91))
    assert all(dict(old) == was for old, was in before)  # older versions are as they were


def test_versions_are_of_the_content():
    assert version(b"a") == version(b"a") != version(b"b")
    assert len(version(b"")) == 16


def test_only_what_differs_is_new():
    first = Snapshot.of(small())
    second = first.apply({"routes": {"i0": model.route("i0", ["r0"], "x")}, "clusters": small()["clusters"]})
    assert set(second.changes_since(first)) == {(ROUTE, "i0")}
    assert second.get(CLUSTER, "r0") is first.get(CLUSTER, "r0")
    assert second.apply(small(routes={"i0": model.route("i0", ["r0"], "x")})) is second
    assert set(second.replace(small()).changes_since(second)) == {(ROUTE, "i0")}


def test_changes_since_any_other_snapshot_are_found_by_comparing():
    first = Snapshot.of(small())
    later = first.apply({"scopedRoutes": {"h0": None}}).apply(
        {"routes": {"i0": None, "i1": model.route("i1", ["r0"])}}
    )
    assert set(later.changes_since(first)) == {(SCOPE, "h0"), (ROUTE, "i0"), (ROUTE, "i1")}
    assert set(later.changes_since(Snapshot.of({}))) == set(later.changes_since(None))
    assert len(list(later.changes_since(None))) == len(later) == 3
    assert list(later.changes_since(later)) == []


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ({"clusters": {"r0": None}}, "routes i0 names clusters r0"),
        ({"endpoints": {"r0": None}}, "clusters r0 names endpoints r0"),
        ({"routes": {"i0": None}}, "scopedRoutes h0 names routes i0"),
    ],
)
def test_what_is_named_must_be_there(gone, words):
    whole = Snapshot.of(small())
    assert consistent(whole) == ()
    broken = whole.apply(gone)
    [finding] = consistent(broken)
    assert finding.code == "KNET350"
    assert finding.message.startswith(words)
    assert consistent(broken.apply(small())) == ()


def test_the_last_one_to_name_it_mends_by_going():
    whole = Snapshot.of(small())
    broken = whole.apply({"clusters": {"r0": None}, "endpoints": {"r0": None}})
    assert broken.dangling == {(CLUSTER, "r0")}
    assert consistent(broken.apply({"routes": {"i0": None}, "scopedRoutes": {"h0": None}})) == ()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 3), max_size=2), st.booleans()), max_size=20)
)
def test_references_are_counted_whatever_the_steps(steps):
    stepped, whole = Snapshot(), {"clusters": {}, "endpoints": {}, "routes": {}}
    for number, targets, present in steps:
        name = f"r{number}"
        change = {
            "clusters": {name: model.cluster(name) if present else None},
            "routes": {f"i{number}": model.route(f"i{number}", [f"r{t}" for t in sorted(targets)])},
        }
        stepped = stepped.apply(change)
        for section, bodies in change.items():
            whole[section] |= bodies
    fresh = Snapshot.of({s: {n: b for n, b in found.items() if b is not None} for s, found in whole.items()})
    assert stepped.dangling == fresh.dangling
    assert {ref[0] for ref in fresh.dangling} <= {CLUSTER, ENDPOINT}


def test_what_is_no_protobuf_is_refused():
    with pytest.raises(ValueError, match="i0 is not a RouteConfiguration"):
        Snapshot.of({"routes": {"i0": b"\xff"}})
    with pytest.raises(KeyError):
        Snapshot.of({"elsewhere": {"x": b"x"}})
