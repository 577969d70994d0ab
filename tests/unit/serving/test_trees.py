"""Trees of Services, Revisions and Routes: shares, tags, pods, and what has none of them."""

from __future__ import annotations

import click

from chains import KEY, LABELS, item, world
from knet.cli.explain_chain import tree
from knet.serving.chain import GATEWAY, State, service_chain
from knet.serving.trees import revision_tree, route_tree, service_tree


def labelled(name):
    return {**LABELS, "serving.knative.dev/revision": name}


def held():
    traffic = [
        {"percent": 90, "revisionName": "hello-00001"},
        {"percent": 10, "revisionName": "hello-00002", "tag": "blue", "url": "http://blue-hello.x"},
    ]
    made = world()
    revisions = {("default", f"hello-0000{n}"): item(f"hello-0000{n}", labels=LABELS) for n in (1, 2, 3)}
    service = item(
        url="http://hello.x",
        traffic=traffic,
        latestCreatedRevisionName="hello-00002",
        latestReadyRevisionName="hello-00002",
    )
    scaler = item("hello-00001", desiredScale=0)
    return {
        **made,
        "Service.serving.knative.dev": {KEY: service},
        "Revision": revisions,
        "Route": {KEY: item(url="http://hello.x", traffic=traffic)},
        "PodAutoscaler": {("default", "hello-00001"): scaler},
        "Pod": {("default", "p"): item("p", labels=labelled("hello-00002"))},
    }


def test_a_service_shows_who_has_which_share():
    assert [click.unstyle(line).strip() for line in tree(service_tree(held(), KEY))] == [
        "✓ Service hello  http://hello.x, 1 more revisions without traffic",
        "├─ ✓ Revision hello-00002  10 %, tag blue, latest, 1 of 1 pods ready",
        "│  └─ ✓ Pod p",
        "└─ ✓ Revision hello-00001  90 %, scaled to zero",
    ]


def test_a_revision_says_whose_traffic_it_has():
    made = revision_tree(held(), ("default", "hello-00002"))
    assert made.facts == ("of hello", "10 %, tag blue of Route hello", "1 of 1 pods ready")
    assert revision_tree(held(), ("default", "hello-00003")).facts == ("of hello", "no pods")


def test_a_route_shows_its_tags_and_what_is_missing():
    world = held()
    del world["Revision"]["default", "hello-00001"]
    first, second = route_tree(world, KEY).children
    assert (first.state, first.facts) == (State.MISSING, ("90 %",))
    assert second.facts == ("10 %, tag blue", "http://blue-hello.x")


def test_a_chain_ends_at_what_envoy_has_acknowledged():
    said = {
        "state": "waiting",
        "reason": "probe of hello.x: 503",
        "gateways": [{"node": "knet-1", "current": False}],
    }
    made = service_chain({**held(), GATEWAY: {KEY: said}}, KEY)
    culprit = made.culprit
    assert (culprit.kind, culprit.said) == ("Envoy", "probe of hello.x: 503")
    assert culprit.facts == ("knet-1 has not acknowledged all yet",)


def test_endpoints_that_nobody_answers_for_are_to_blame():
    sks = item("hello-00001", status="Unknown", reason="NoHealthyBackends", serviceName="hello-00001")
    sks["spec"] = {"mode": "Proxy", "numActivators": 2}
    scaler = item("hello-00001", desiredScale=1)
    world = held() | {
        "ServerlessService": {("default", "hello-00001"): sks},
        "PodAutoscaler": {("default", "hello-00001"): scaler},
    }
    culprit = service_chain(world, KEY).culprit
    assert (culprit.kind, culprit.state) == ("Endpoints", State.WAITING)
    address = {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}
    sks["status"]["conditions"][0]["status"] = "True"
    world["Endpoints"] = {("default", "hello-00001"): address}
    assert service_chain(world, KEY).culprit is None


def test_a_revision_at_rest_is_no_fault():
    scaler = item("hello-00001", "False", "NoTraffic", "The target is not receiving traffic.", desiredScale=0)
    scaler["status"]["conditions"].append({**scaler["status"]["conditions"][0], "type": "Active"})
    sks = item("hello-00001", status="Unknown", reason="NoHealthyBackends", serviceName="hello-00001")
    sks["spec"] = {"mode": "Proxy"}
    world = held() | {
        "PodAutoscaler": {("default", "hello-00001"): scaler},
        "ServerlessService": {("default", "hello-00001"): sks},
        "Endpoints": {("default", "hello-00001"): {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}},
    }
    assert service_chain(world, KEY).culprit is None
