"""A few seconds of `python -m tests.rest`, which rests for five minutes."""

from __future__ import annotations

import pytest

from rest.course import REPLICAS, Course, Figures, count, missing


@pytest.mark.envoy
@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
async def test_two_replicas_and_an_autoscaler_write_nothing_but_leases_at_rest(tmp_path):
    figures = await Course(tmp_path, 8).run()
    assert figures.writes == {}, figures.lines()
    assert figures.leader in REPLICAS
    assert figures.leading == {figures.leader}
    assert figures.coming_up[figures.leader] > 30
    assert figures.coming_up["autoscaler"] > 5
    assert figures.good


def event(who, resource, name, verb="update"):
    where = {"resource": resource, "namespace": "knative-serving", "name": name}
    return {"user": {"username": who}, "verb": verb, "objectRef": where}


def test_what_is_counted():
    one, two = REPLICAS
    renewed = [event(one, "leases", "knet"), event(one, "leases", "knet")]
    made = count(renewed, Figures(1, one))
    assert made.good
    assert made.renewals.total() == 2
    assert not count([event(one, "configmaps", "a", "patch")], count(renewed, Figures(1, one))).good
    assert not count([event(two, "leases", "knet")], count(renewed, Figures(1, one))).good
    assert not Figures(1, one).good
