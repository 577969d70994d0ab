"""What replicas tell one another of refusals: as much as a ConfigMap holds, and nothing of a spoiled one."""

from __future__ import annotations

import pytest

from knet.control.refusals import Replica, dump, load, mark_of
from knet.envoy.snapshot import CLUSTER, ROUTE
from knet.model import core


def config_map(text):
    made = core.parse(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"refused": text}}
    )
    assert isinstance(made, core.ConfigMap)
    return made


def test_what_is_told_is_read():
    found = {("a", "b"): ("1", "no"), ("c", "d"): ("2", "never")}
    assert load(config_map(dump(found))) == found
    assert dump({}) == ""
    assert load(config_map("")) == {} == load(None)


def test_thousands_of_refusals_fit_into_a_config_map():
    found = {("space", f"name-{i}"): ("0" * 32, "word " * 1000) for i in range(10_000)}
    assert len(dump(found)) < 500_000
    assert load(config_map(dump(found))).keys() <= found.keys()


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '{"a/b": 1}', '{"a/b": ["only one"]}', '{"a/b": [1, 2, 3]}', "null"]
)
def test_a_spoiled_one_says_nothing(text):
    assert load(config_map(text)) == {}


def test_versions_are_told_apart_whatever_their_order():
    one, other = {(CLUSTER, "a"): "1", (ROUTE, "b"): "2"}, {(ROUTE, "b"): "2", (CLUSTER, "a"): "1"}
    assert mark_of(one) == mark_of(other) != mark_of({**one, (ROUTE, "b"): "3"})


def test_a_replicas_config_map_has_a_name_that_the_api_takes():
    assert Replica("Laptop-17").key == ("knative-serving", "knet-refused-laptop-17")
