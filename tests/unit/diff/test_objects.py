"""Differences of plain trees and of rendered objects: what is shown, what is folded."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.backends.objects import compare, identified
from knet.errors import ObjectRef
from knet.text import tree
from knet.text.tree import MISSING, Edit

HASHES = ("a" * 64, "b" * 64)


def service(http: list[Any], generation: str = "1") -> dict[str, Any]:
    return {
        "kind": "VirtualService",
        "metadata": {
            "name": "hello-ingress",
            "namespace": "default",
            "labels": {"contour.networking.knative.dev/generation": generation},
        },
        "spec": {"http": http},
    }


def http(prefix: str, weight: int, probe: str = "") -> dict[str, Any]:
    match: dict[str, Any] = {"uri": {"prefix": prefix}}
    made: dict[str, Any] = {"match": [match], "route": [{"destination": {"host": "a"}, "weight": weight}]}
    if probe:
        match["headers"] = {"K-Network-Hash": {"exact": "override"}}
        made["headers"] = {"request": {"set": {"K-Network-Hash": probe}}}
    return made


def difference(old: dict[str, Any], new: dict[str, Any], **more: Any):
    return compare(identified([old]), identified([new]), **more)


def test_edits_name_the_smallest_place():
    old = {"a": {"b": [1, 2]}, "gone": 1, "x.y/z": 1}
    new = {"a": {"b": [1, 2, 3]}, "come": {"c": 1}, "x.y/z": 2}
    assert list(tree.diff(old, new)) == [
        Edit("a.b[2]", MISSING, 3),
        Edit("gone", 1, MISSING),
        Edit("[x.y/z]", 1, 2),
        Edit("come", MISSING, {"c": 1}),
    ]


def test_items_are_paired_by_identity_so_that_an_insertion_is_one_edit():
    found = difference(service([http("/b", 90)]), service([http("/a", 100), http("/b", 50)]))
    paths = [e.path for e in found.changed[0].edits]
    assert paths == ["spec.http[0]", "spec.http[1].route[0].weight"]


def test_true_is_not_one():
    assert list(tree.diff({"a": 1}, {"a": True})) == [Edit("a", 1, True)]


def test_hashes_generations_and_probe_copies_are_folded():
    old = service([http("/", 90, HASHES[0]), http("/", 90)])
    new = service([http("/", 50, HASHES[1]), http("/", 50)], "2")
    (changed,) = difference(old, new).changed
    assert [(e.path, e.old, e.new) for e in changed.edits] == [("spec.http[1].route[0].weight", 90, 50)]
    assert changed.following == 3


def test_what_only_follows_is_no_difference():
    old, new = service([http("/", 1, HASHES[0])]), service([http("/", 1, HASHES[1])], "2")
    found = difference(old, new)
    assert not found
    assert found.unchanged_but == 1


def test_a_digest_of_a_certificate_is_shown():
    old, new = ({"name": "s", "key": f"sha256:{c * 12}"} for c in "ab")
    assert compare(identified({"secrets": [old]}), identified({"secrets": [new]})).changed


def test_order_counts_only_where_the_meaning_changes_with_it():
    one, other = http("/a", 100), http("/b", 100)
    old, new = service([one, other]), service([other, one])
    identity = ObjectRef("VirtualService", "default", "hello-ingress")
    assert not difference(old, new, reordered=frozenset())
    (changed,) = difference(old, new, reordered=frozenset({identity})).changed
    assert changed.edits[0].path == "spec.http[order]"


def test_objects_come_and_go():
    old, new = service([]), service([])
    new["metadata"]["name"] = "other"
    found = difference(old, new)
    assert [i.name for i in found.added] == ["other"]
    assert [i.name for i in found.removed] == ["hello-ingress"]


trees = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("name", "x", "y.z")), inner),
    max_leaves=12,
)


@given(trees)
def test_a_tree_does_not_differ_from_its_copy(data):
    assert not list(tree.diff(data, copy.deepcopy(data)))


@given(trees, trees)
def test_trees_that_differ_have_edits_and_the_other_way_round_as_many(old, new):
    edits, back = list(tree.diff(old, new)), list(tree.diff(new, old))
    assert bool(edits) == (not same(old, new))
    assert len(edits) == len(back)


def same(old: Any, new: Any) -> bool:
    """Equality in which True is not 1."""
    return repr(sort(old)) == repr(sort(new))


def sort(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: sort(data[k]) for k in sorted(data)}
    return [sort(v) for v in data] if isinstance(data, list) else data


@pytest.mark.parametrize("text", ["x.gen-1.hello.default.net-contour.invalid"])
def test_probe_hosts_of_a_generation_follow(text):
    old, new = service([]), service([])
    old["spec"]["fqdn"], new["spec"]["fqdn"] = text, text.replace("gen-1", "gen-2")
    assert not difference(old, new)
