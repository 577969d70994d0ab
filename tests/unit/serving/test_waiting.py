"""What a Service says of the one thing that it waits for."""

from __future__ import annotations

import pytest

from knet.serving.chain import Link, State
from knet.serving.service_status import ServiceWorld, reconcile
from knet.serving.waiting import LONGEST_S, pause
from unit.serving.revisions import NOW, conditions, kind_of, said

UNCLAIMED = Link("Ingress", "hello", State.WAITING, "no controller has taken it up", ("class nobody's",))


def chain(*children):
    return Link("Service", "hello", State.WAITING, "", (), children)


def hello(ready="Unknown"):
    return kind_of(
        "Service",
        "hello",
        {"template": {"spec": {"containers": [{"image": "i"}]}}},
        {"observedGeneration": 1, "conditions": conditions(Ready=ready)},
    )


def test_the_deepest_link_that_waits_is_named():
    route = Link("Route", "hello", State.WAITING, "Uninitialized", (), (UNCLAIMED,))
    made = reconcile(hello(), ServiceWorld(), NOW, chain(route))
    assert said(made.status, "Waiting") == (
        "True",
        "WaitingForIngress",
        "Ingress hello: no controller has taken it up",
    )
    assert said(made.status)[0] == "Unknown"
    condition = next(c for c in made.status["conditions"] if c["type"] == "Waiting")
    assert condition["severity"] == "Info"


def test_a_pod_says_what_its_probe_was_answered_last():
    pod = Link("Pod", "p", State.WAITING, "queue-proxy is not ready yet")
    made = reconcile(hello(), ServiceWorld(), NOW, chain(pod), "Readiness probe failed: 503")
    words = "Pod p: queue-proxy is not ready yet (Readiness probe failed: 503)"
    assert said(made.status, "Waiting")[1:] == ("WaitingForPod", words)


def test_nothing_is_said_where_nothing_waits():
    made = reconcile(hello(), ServiceWorld(), NOW, Link("Service", "hello", State.READY))
    assert [c["type"] for c in made.status["conditions"]] == ["ConfigurationsReady", "Ready", "RoutesReady"]


@pytest.mark.parametrize(("waited", "next_look"), [(0, 5), (3, 2), (5, 5), (20, 20), (500, LONGEST_S)])
def test_the_longer_it_waits_the_seldomer_one_looks(waited, next_look):
    assert pause(waited) == next_look
