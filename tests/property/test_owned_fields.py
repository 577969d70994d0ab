"""Who owns what, changed in place of being made anew: the trees agree with the sets that define them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knet.local.api import shapes
from knet.local.api.patches import fields, owned
from knet.local.api.shapes import Schema

POD: Schema = {"$ref": "core.v1.Pod"}
NAMES = st.sampled_from(["a", "b", "c"])
WORDS = st.sampled_from(["", "x", "y"])
MAPS = st.dictionaries(NAMES, WORDS, max_size=3)
ENV = st.lists(st.fixed_dictionaries({"name": NAMES}, optional={"value": WORDS}), max_size=3)
PORTS = st.lists(
    st.fixed_dictionaries({"containerPort": st.integers(1, 3)}, optional={"protocol": st.just("UDP")}),
    max_size=3,
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={"env": ENV, "ports": PORTS, "args": st.lists(WORDS, max_size=2), "resources": st.just({})},
    ),
    max_size=3,
)
PODS = st.fixed_dictionaries(
    {"apiVersion": st.just("v1"), "kind": st.just("Pod")},
    optional={
        "metadata": st.fixed_dictionaries(
            {"name": NAMES},
            optional={"labels": MAPS, "annotations": MAPS, "finalizers": st.lists(NAMES, max_size=3)},
        ),
        "spec": st.fixed_dictionaries(
            {}, optional={"containers": CONTAINERS, "nodeSelector": MAPS, "nodeName": WORDS}
        ),
        "status": st.fixed_dictionaries({}, optional={"phase": WORDS, "podIPs": st.just([])}),
    },
)


def schema() -> Schema:
    return shapes.followed(POD)


@given(PODS)
def test_a_new_object_s_tree(pod: dict[str, Any]) -> None:
    assert fields.from_v1(owned.tree(pod, schema())) == fields.leaves(pod, schema())


@given(PODS, PODS)
def test_what_differs(new: dict[str, Any], old: dict[str, Any]) -> None:
    now, was = fields.values(new, schema()), fields.values(old, schema())
    changed, gone = owned.changes(new, old, schema())
    assert changed == {path for path in now if path not in was or now[path] != was[path]}
    assert gone == was.keys() - now.keys()


@given(PODS, PODS, PODS)
def test_a_tree_that_changes(one: dict[str, Any], come: dict[str, Any], gone: dict[str, Any]) -> None:
    had, more, less = (fields.leaves(item, schema()) for item in (one, come, gone))
    before = fields.to_v1(had)
    made = owned.revised(before, more, less - more)
    assert made == fields.to_v1(had - (less - more) | more)
    assert before == fields.to_v1(had), "the tree that was there is as it was"
    for path in had | more | less:
        assert owned.owns(made, path) == (path in had - (less - more) | more)
