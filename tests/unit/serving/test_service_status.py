"""What a Service says of its Configuration and its Route, word for word."""

from __future__ import annotations

import pytest

from knet.serving.service_status import ServiceWorld, reconcile
from unit.serving.revisions import NOW, conditions, configuration, kind_of, revision, said

OWNER = ("Service", "hello", "hello-service-uid")
WORKING = "is still working to reflect the latest desired specification."
TAKEN = 'The revision name "hello-blue" is taken by a conflicting Revision, so traffic will not be migrated'
FIRST = {"revisionName": "hello-00001", "latestRevision": True, "percent": 100}


def service(template="", **status):
    spec = {
        "template": {
            "metadata": {"name": template} if template else {},
            "spec": {"containers": [{"image": "i"}]},
        }
    }
    return kind_of("Service", "hello", spec, status, uid="hello-service-uid")


def of(ready="True", latest="hello-00001", seen=1, template="", **more):
    """The Service's Configuration."""
    names = {"latestReadyRevisionName": latest, "latestCreatedRevisionName": "hello-00001"}
    found = {"conditions": conditions(Ready=ready)} if ready else {}
    made = configuration(template=template, **found, **{k: v for k, v in names.items() if v})
    return made.model_copy(update={"status": {**made.status, "observedGeneration": seen, **more}})


def route(ready="True", shown=(FIRST,), traffic=(), seen=1, owner=OWNER):
    spec = {
        "traffic": list(traffic) or [{"configurationName": "hello", "latestRevision": True, "percent": 100}]
    }
    status = {
        "observedGeneration": seen,
        "conditions": conditions(Ready=ready),
        "url": "http://hello.example.com",
        "address": {"url": "http://hello.default.svc.cluster.local"},
        "traffic": list(shown),
    }
    return kind_of("Route", "hello", spec, status, owner)


def status(asked=None, **world):
    return reconcile(asked or service(), ServiceWorld(**world), NOW)


def test_a_new_service_has_both_made_and_waits():
    out = status()
    assert out.configuration.metadata.name == out.route.metadata.name == "hello"
    assert said(out.status, "ConfigurationsReady") == ("Unknown", "OutOfDate", f"The Configuration {WORKING}")
    assert said(out.status, "RoutesReady") == ("Unknown", "OutOfDate", f"The Route {WORKING}")
    assert said(out.status) == ("Unknown", "OutOfDate", f"The Route {WORKING}")
    assert out.status["observedGeneration"] == 1
    assert [e.message for e in out.events] == ['Created Configuration "hello"', 'Created Route "hello"']


def test_all_is_well():
    out = status(configuration=of(), route=route())
    assert [(c["type"], c["status"]) for c in out.status["conditions"]] == [
        ("ConfigurationsReady", "True"),
        ("Ready", "True"),
        ("RoutesReady", "True"),
    ]
    assert out.status["latestReadyRevisionName"] == out.status["latestCreatedRevisionName"] == "hello-00001"
    assert out.status["url"] == "http://hello.example.com"
    assert out.status["address"] == {"url": "http://hello.default.svc.cluster.local"}
    assert out.status["traffic"] == [FIRST]
    assert not out.events


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ("Unknown", ("Unknown", "", "")),
        (("Unknown", "Odd", "waits"), ("Unknown", "Odd", "waits")),
        (("False", "RevisionFailed", "no"), ("False", "RevisionFailed", "no")),
        (None, ("Unknown", "", "")),
    ],
)
def test_what_the_configuration_says_is_said(ready, words):
    out = status(configuration=of(ready), route=route())
    assert said(out.status, "ConfigurationsReady") == words
    assert said(out.status) == words
    assert said(out.status, "RoutesReady") == ("True", "", "")


@pytest.mark.parametrize(
    "words", [("Unknown", "Uninitialized", "Waiting"), ("False", "RevisionMissing", "gone")]
)
def test_what_the_route_says_is_said(words):
    out = status(configuration=of(), route=route(words))
    assert said(out.status, "RoutesReady") == words
    assert said(out.status) == words
    assert said(out.status, "ConfigurationsReady") == ("True", "", "")


def test_where_both_fail_the_route_speaks():
    missing = ("False", "RevisionMissing", 'Configuration "hello" does not have any ready Revision.')
    out = status(
        configuration=of(("False", "RevisionFailed", "no"), latest=""), route=route(missing, shown=())
    )
    assert said(out.status, "ConfigurationsReady") == ("False", "RevisionFailed", "no")
    assert said(out.status) == missing


def test_a_failure_beats_a_wait():
    out = status(configuration=of(("False", "RevisionFailed", "no")), route=route(("Unknown", "Waits", "x")))
    assert said(out.status) == ("False", "RevisionFailed", "no")


def test_what_is_of_an_older_generation_is_out_of_date_and_keeps_what_it_said():
    before = status(configuration=of(), route=route()).status
    late = service(**before)
    out = status(late, configuration=of(seen=0, latest="hello-00009"), route=route(seen=0))
    assert said(out.status, "ConfigurationsReady")[:2] == ("Unknown", "OutOfDate")
    assert said(out.status, "RoutesReady")[:2] == ("Unknown", "OutOfDate")
    assert out.status["latestReadyRevisionName"] == "hello-00001"
    assert out.status["traffic"] == [FIRST]


def test_traffic_that_is_not_there_yet():
    not_yet = ("Unknown", "TrafficNotMigrated", "Traffic is not yet migrated to the latest revision.")
    out = status(configuration=of(latest="hello-00002"), route=route())
    assert said(out.status, "RoutesReady") == not_yet
    assert said(out.status) == not_yet
    tagged = [{"configurationName": "hello", "percent": 100}, {"revisionName": "hello-00001", "tag": "old"}]
    assert said(status(configuration=of(), route=route(traffic=tagged)).status) == not_yet
    shown = (FIRST, {"revisionName": "hello-00001", "tag": "old", "percent": 0, "url": "http://old-hello"})
    done = status(configuration=of(), route=route(traffic=tagged, shown=shown))
    assert said(done.status) == ("True", "", "")
    other = (FIRST, {"revisionName": "hello-00001", "tag": "older", "percent": 0})
    assert said(status(configuration=of(), route=route(traffic=tagged, shown=other)).status) == not_yet


def test_which_is_the_latest_the_configuration_says_even_while_it_is_out_of_date():
    """The Service's own status may be older still."""
    out = status(configuration=of(seen=0), route=route())
    assert said(out.status, "RoutesReady") == ("True", "", "")
    assert said(out.status)[:2] == ("Unknown", "OutOfDate")


def test_a_name_of_ones_own_that_is_taken_keeps_the_route_as_it_is():
    theirs = revision("hello-blue", 1, "True", owner="other")
    failed = ("False", "RevisionFailed", "Revision creation failed with message: taken.")
    held = of(failed, template="hello-blue")
    out = status(service(template="hello-blue"), configuration=held, route=route(), named=theirs)
    assert out.route is None
    assert said(out.status, "RoutesReady") == ("False", "RevisionNameTaken", TAKEN)
    assert said(out.status, "ConfigurationsReady") == failed
    assert said(out.status) == ("False", "RevisionNameTaken", TAKEN)
    free = status(service(template="hello-blue"), configuration=of(template="hello-blue"), route=route())
    assert free.route is not None


def test_a_name_of_ones_own_has_the_route_wait_for_the_configuration():
    asked = service(template="hello-blue")
    for held in (None, of(seen=0, template="hello-blue")):
        out = status(asked, configuration=held)
        assert out.route is None
        assert said(out.status, "ConfigurationsReady")[:2] == ("Unknown", "OutOfDate")
        assert said(out.status, "RoutesReady") == ("Unknown", "", "")
        assert not out.error


def test_children_of_others_are_left_alone():
    foreign = of().model_copy(update={"metadata": of().metadata.model_copy(update={"owner_references": ()})})
    out = status(configuration=foreign, route=route())
    assert (out.configuration, out.route) == (None, None)
    words = ("False", "NotOwned", 'There is an existing Configuration "hello" that we do not own.')
    assert said(out.status, "ConfigurationsReady") == said(out.status) == words
    assert out.error == 'service: "hello" does not own configuration: "hello"'
    out = status(configuration=of(), route=route(owner=("Service", "hello", "other")))
    assert out.route is None
    words = ("False", "NotOwned", 'There is an existing Route "hello" that we do not own.')
    assert said(out.status, "RoutesReady") == said(out.status) == words
    assert out.error == 'service: "hello" does not own route: "hello"'
