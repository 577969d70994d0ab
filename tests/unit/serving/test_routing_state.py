"""Which Routes lead to a revision, and what it says of itself then."""

from __future__ import annotations

import pytest

from knet.serving.routing_state import (
    revision_patch,
    routes_of_configuration,
    routes_of_revision,
    settled,
)
from unit.serving.revisions import NOW, conditions, configuration, kind_of, revision, route

LATEST = {"configurationName": "hello", "latestRevision": True, "percent": 100}
OF = {"hello-00001": "hello", "hello-00002": "hello"}


def leading(name, *routes, **status):
    generation = int(name[-5:])
    held = configuration(generation=2, latestCreatedRevisionName="hello-00002", **status)
    return routes_of_revision(revision(name, generation), routes, held, OF)


def test_the_latest_is_led_to_by_who_follows_its_configuration():
    follows = route("a", LATEST)
    assert leading("hello-00002", follows) == {"a"}
    assert leading("hello-00001", follows) == frozenset()
    # while the new one comes up the old one serves
    shown = [{"revisionName": "hello-00001", "latestRevision": True, "percent": 100}]
    serving = route("a", LATEST, shown=shown)
    assert leading("hello-00001", serving) == {"a"}
    assert leading("hello-00002", serving) == {"a"}


def test_a_pinned_one_is_led_to_by_name_alone():
    pinned = route("b", {"revisionName": "hello-00001", "latestRevision": False, "percent": 100})
    assert leading("hello-00001", pinned) == {"b"}
    assert leading("hello-00002", pinned) == frozenset()
    assert routes_of_configuration("hello", [pinned], OF) == {"b"}
    assert routes_of_configuration("other", [pinned], OF) == frozenset()


def test_a_target_that_does_not_say_whether_it_follows_the_latest():
    """As defaulting would say: what names a revision stays with it."""
    assert leading("hello-00002", route("a", {"configurationName": "hello", "percent": 100})) == {"a"}
    assert leading("hello-00002", route("a", {"revisionName": "hello-00001", "percent": 100})) == frozenset()


@pytest.mark.parametrize(
    ("ready", "generation", "expected"),
    [("True", 1, True), ("False", 1, True), ("Unknown", 1, False), ("True", 2, False), (None, 1, False)],
)
def test_a_route_is_settled_once_it_is_ready_or_failed(ready, generation, expected):
    status = {"observedGeneration": 1, "conditions": conditions(Ready=ready) if ready else []}
    assert settled(kind_of("Route", "a", status=status, generation=generation)) is expected


def labelled(state, routes=""):
    notes = {"serving.knative.dev/routes": routes} if routes else {}
    return revision(labels={"serving.knative.dev/routingState": state}, annotations=notes).metadata


def test_states_and_their_patches():
    assert revision_patch(labelled("active", "a"), frozenset("a"), NOW) is None
    assert revision_patch(labelled("pending"), frozenset(), NOW) is None
    assert revision_patch(labelled("reserve"), frozenset(), NOW) is None
    assert revision_patch(labelled("pending"), frozenset("ba"), NOW) == {
        "metadata": {
            "annotations": {
                "serving.knative.dev/routes": "a,b",
                "serving.knative.dev/routingStateModified": NOW,
            },
            "labels": {"serving.knative.dev/routingState": "active"},
        }
    }
    assert revision_patch(labelled("active", "a"), frozenset(), NOW) == {
        "metadata": {
            "annotations": {
                "serving.knative.dev/routes": None,
                "serving.knative.dev/routingStateModified": NOW,
            },
            "labels": {"serving.knative.dev/routingState": "reserve"},
        }
    }
    assert revision_patch(labelled("active", "a"), frozenset("b"), NOW) == {
        "metadata": {"annotations": {"serving.knative.dev/routes": "b"}}
    }
