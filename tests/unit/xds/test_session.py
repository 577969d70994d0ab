"""The rules of a session, one at a time; `tests/property/test_session.py` mixes them."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2

import envoy_model as model
from knet.envoy.session import Session
from knet.envoy.session_messages import Refusal, Request
from knet.envoy.snapshot import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPE, SECRET, Snapshot


def bodies(count=1, to="r0"):
    return {
        "clusters": {"r0": model.cluster("r0"), "r1": model.cluster("r1")},
        "endpoints": {"r0": model.endpoints("r0"), "r1": model.endpoints("r1")},
        "routes": {f"i{n}": model.route(f"i{n}", [to]) for n in range(count)},
        "scopedRoutes": {f"h{n}": model.scope(f"h{n}", f"i{n}") for n in range(count)},
    }


def run(session, client, responses=()):
    """Both sides talk until neither has anything to say; gives all responses."""
    seen = list(responses)
    inbox = list(responses)
    while inbox or client.outbox:
        if inbox:
            client.take(inbox.pop(0))
        if client.outbox:
            more = session.receive(client.outbox.popleft())
            inbox += more
            seen += more
    return seen


@pytest.fixture
def settled():
    """A session and a client that has all of `bodies(40)`."""
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    session.publish(Snapshot.of(bodies(40)))
    run(session, client)
    return session, client


def snapshot_of(session):
    return session._client.snapshot


def test_a_client_is_warmed_from_the_bottom_up():
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    assert session.publish(Snapshot.of(bodies(3))) == []
    order = [response.type_url for response in run(session, client)]
    places = [order.index(url) for url in (CLUSTER, ENDPOINT, SCOPE, ROUTE)]
    assert places == sorted(places)
    assert client.violations == []


def test_a_full_load_goes_in_chunks_and_a_step_alone(settled):
    session, client = settled
    loaded = Session()
    fresh = model.ModelEnvoy()
    fresh.connect()
    loaded.publish(Snapshot.of(bodies(250)))
    sizes = [len(r.resources) for r in run(loaded, fresh) if r.type_url == ROUTE]
    assert sizes == [100, 100, 50]
    step = snapshot_of(session).apply({"routes": {f"i{n}": model.route(f"i{n}", ["r1"]) for n in range(3)}})
    responses = session.publish(step)
    assert [[found.name for found in r.resources] for r in responses] == [["i0"], ["i1"], ["i2"]]
    run(session, client, responses)
    assert client.bodies()[ROUTE]["i2"] == step.get(ROUTE, "i2").body


def test_a_refused_chunk_is_sent_again_one_by_one():
    made = bodies(100)
    made["routes"]["i42"] = model.route("i42", ["r0"], model.BAD)
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    session.publish(Snapshot.of(made))
    sizes = [len(r.resources) for r in run(session, client) if r.type_url == ROUTE]
    assert sizes == [100, *[1] * 100]
    assert set(client.bodies()[ROUTE]) == set(made["routes"]) - {"i42"}
    assert {u: set(v) for u, v in session.nacked.items()} == {ROUTE: {"i42"}}
    assert session.refusal((ROUTE, "i42")).message == "refused: i42"


def test_refused_clusters_are_halved_until_the_culprit_is_alone():
    made = {"clusters": {f"c{n}": model.cluster(f"c{n}") for n in range(64)}}
    made["endpoints"] = {name: model.endpoints(name) for name in made["clusters"]}
    made["clusters"]["c9"] = model.cluster("c9", model.BAD)
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    session.publish(Snapshot.of(made))
    carried = [len(r.resources) for r in run(session, client) if r.type_url == CLUSTER]
    assert sorted(carried, reverse=True) == [64, 32, 32, 16, 16, 8, 8, 4, 4, 2, 2, 1, 1]
    assert set(client.bodies()[CLUSTER]) == set(made["clusters"]) - {"c9"}


def test_what_was_refused_is_not_sent_again_until_it_changes(settled):
    session, client = settled
    bad = snapshot_of(session).apply({"routes": {"i1": model.route("i1", ["r0"], model.BAD)}})
    run(session, client, session.publish(bad))
    assert (
        session.publish(bad.apply({"endpoints": {"r1": model.endpoints("r1", "x")}}))[0].type_url == ENDPOINT
    )
    good = bad.apply({"routes": {"i1": model.route("i1", ["r1"])}})
    run(session, client, session.publish(good))
    assert session.nacked == {}
    assert session.version((ROUTE, "i1")) == good.get(ROUTE, "i1").version


def test_going_back_to_what_the_client_has_takes_a_refusal_back(settled):
    session, client = settled
    before = snapshot_of(session)
    run(
        session,
        client,
        session.publish(before.apply({"routes": {"i1": model.route("i1", ["r0"], model.BAD)}})),
    )
    assert session.publish(before.apply({"routes": {"i2": model.route("i2", ["r1"])}}))
    assert session.nacked == {}


def test_a_slow_client_gets_the_latest_version_only(settled):
    session, client = settled
    snapshot = snapshot_of(session)
    first = None
    for weight in range(50):
        snapshot = snapshot.apply({"routes": {"i0": model.route("i0", ["r0"], f"v{weight}")}})
        sent = session.publish(snapshot)
        first = first or sent
        assert len(sent) == (1 if weight == 0 else 0)
    later = run(session, client, first)[len(first) :]
    assert [[r.name for r in response.resources] for response in later] == [["i0"]]
    assert client.bodies()[ROUTE]["i0"] == snapshot.get(ROUTE, "i0").body


def test_a_cluster_that_is_being_removed_is_not_relied_on():
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    session.publish(Snapshot.of(bodies(2)))
    run(session, client)
    without = snapshot_of(session).apply({"clusters": {"r1": None}, "endpoints": {"r1": None}})
    [removal] = session.publish(without)
    assert removal.removed == ("r1",)
    back = without.apply(
        {
            "clusters": {"r1": model.cluster("r1")},
            "endpoints": {"r1": model.endpoints("r1")},
            "routes": {"i0": model.route("i0", ["r1"])},
        }
    )
    sent = session.publish(back)
    assert {r.type_url for r in sent} <= {ENDPOINT}  # the removal is on its way: nothing may overtake it
    run(session, client, [removal, *sent])
    assert client.bodies()[ROUTE]["i0"] == back.get(ROUTE, "i0").body
    assert client.violations == []


def test_what_is_named_outlives_what_names_it(settled):
    session, client = settled
    gone = snapshot_of(session).apply(
        {
            "clusters": {"r0": None},
            "endpoints": {"r0": None},
            "routes": {f"i{n}": model.route(f"i{n}", ["r1"]) for n in range(40)},
        }
    )
    responses = session.publish(gone)
    assert all(r.type_url == ROUTE for r in responses)
    order = [r.type_url for r in run(session, client, responses)]
    assert order[-1] == CLUSTER
    assert "r0" not in client.bodies()[CLUSTER]


def test_names_that_are_not_there_are_answered_only_where_that_helps():
    session = Session()
    session.publish(Snapshot.of(bodies()))
    assert session.receive(Request(ROUTE, subscribe=("none",))) == []
    assert session.receive(Request(ENDPOINT, subscribe=("none",))) == []
    [answer] = session.receive(Request(SECRET, subscribe=("none",)))
    assert answer.removed == ("none",)


def test_an_empty_wildcard_is_answered_and_an_unknown_type_is_not():
    session = Session()
    session.publish(Snapshot.of({}))
    assert [r.resources for r in session.receive(Request(LISTENER))] == [()]
    assert session.receive(Request("type.googleapis.com/envoy.service.runtime.v3.Runtime")) == []


@pytest.mark.parametrize("request_", [Request(CLUSTER), Request(CLUSTER, subscribe=("*",))])
def test_both_ways_to_ask_for_everything(request_):
    session = Session()
    session.publish(Snapshot.of(bodies()))
    [answer] = session.receive(request_)
    assert {found.name for found in answer.resources} == {"r0", "r1"}


def test_a_name_that_is_asked_for_twice_is_sent_twice():
    session = Session()
    session.publish(Snapshot.of({"secrets": {"s": b""}}))
    for _ in range(2):
        [answer] = session.receive(Request(SECRET, subscribe=("s",)))
        session.receive(Request(SECRET, nonce=answer.nonce))
        assert [found.name for found in answer.resources] == ["s"]


def test_leaving_the_wildcard_keeps_what_was_named():
    session = Session()
    session.publish(Snapshot.of(bodies()))
    [answer] = session.receive(Request(CLUSTER, subscribe=("*", "r0")))
    session.receive(Request(CLUSTER, nonce=answer.nonce))
    session.receive(Request(CLUSTER, unsubscribe=("*",)))
    assert set(session.acked[CLUSTER]) == {"r0"}
    session.receive(Request(CLUSTER, unsubscribe=("r0",)))
    assert session.acked[CLUSTER] == {}
    assert session.publish(Snapshot.of(bodies() | {"clusters": {"r0": model.cluster("r0", "x")}})) == []


def test_a_late_answer_to_what_was_dropped_says_nothing():
    session = Session()
    session.publish(Snapshot.of({"secrets": {"s": b""}}))
    [answer] = session.receive(Request(SECRET, subscribe=("s",)))
    session.receive(Request(SECRET, unsubscribe=("s",)))
    session.receive(Request(SECRET, nonce=answer.nonce))
    session.receive(Request(SECRET, nonce="another"))
    assert session.acked[SECRET] == {}


def test_a_client_that_resumes_is_sent_only_what_differs(settled):
    _, client = settled
    session = Session()
    made = bodies(40) | {"endpoints": {"r0": model.endpoints("r0", "x"), "r1": model.endpoints("r1")}}
    del made["scopedRoutes"]["h7"], made["routes"]["i7"]
    session.publish(Snapshot.of(made))
    client.connect()
    responses = run(session, client)
    assert [[r.name for r in found.resources] for found in responses if found.resources] == [["r0"]]
    assert [found.removed for found in responses if found.removed] == [("h7",)]


def test_removals_wait_until_a_client_that_resumes_has_said_what_it_has(settled):
    _, client = settled
    session = Session()
    session.publish(
        Snapshot.of(
            bodies(40, to="r1")
            | {"clusters": {"r1": model.cluster("r1")}, "endpoints": {"r1": model.endpoints("r1")}}
        )
    )
    client.connect()
    assert session.receive(client.outbox.popleft()) == []  # it names clusters first: r0 may be in use
    run(session, client)
    assert set(client.bodies()[CLUSTER]) == {"r1"}
    assert client.violations == []


def test_a_remembered_refusal_keeps_its_scope_away():
    made = bodies(2)
    made["routes"]["i1"] = model.route("i1", ["r0"], model.BAD)
    snapshot = Snapshot.of(made)
    remembered = {
        (ROUTE, "i1"): Refusal(snapshot.get(ROUTE, "i1").version, "no"),
        (ENDPOINT, "r0"): Refusal(snapshot.get(ENDPOINT, "r0").version, "never kept: a cluster waits for it"),
    }
    session, client = Session(remembered), model.ModelEnvoy()
    client.connect()
    session.publish(snapshot)
    run(session, client)
    assert set(client.bodies()[SCOPE]) == {"h0"}
    assert session.nacked == {ROUTE: {"i1": Refusal(snapshot.get(ROUTE, "i1").version, "no")}}
    assert session.waiting == {(SCOPE, "h1"): frozenset({(ROUTE, "i1")})}
    mended = snapshot.apply({"routes": {"i1": model.route("i1", ["r0"])}})
    run(session, client, session.publish(mended))
    assert set(client.bodies()[SCOPE]) == {"h0", "h1"}
    assert session.nacked == {}


def test_a_client_without_clusters_from_here_gets_its_routes():
    """gRPC without a proxy asks for routes first, and for the clusters that they name after that."""
    session = Session()
    session.publish(Snapshot.of(bodies()))
    [answer] = session.receive(Request(ROUTE, subscribe=("i0",)))
    assert [found.name for found in answer.resources] == ["i0"]
    assert session.receive(Request(ROUTE, nonce=answer.nonce)) == []
    [clusters] = session.receive(Request(CLUSTER, subscribe=("r0",)))
    session.receive(Request(CLUSTER, nonce=clusters.nonce))
    later = snapshot_of(session).apply({"routes": {"i0": model.route("i0", ["r1"])}})
    assert [r.type_url for r in session.publish(later)] == [ROUTE]


def test_routes_wait_for_a_client_that_resumes_with_a_cluster_warming():
    """Such an Envoy asks for endpoints first and for clusters last; its routes must not overtake them."""
    session = Session()
    session.publish(Snapshot.of(bodies()))
    session.receive(Request(ENDPOINT, subscribe=("r0",)))
    assert session.receive(Request(ROUTE, subscribe=("i0",))) == []
    assert (ROUTE, "i0") in session.waiting
    sent = session.receive(Request(CLUSTER))
    assert [r.type_url for r in sent] == [CLUSTER]


def test_a_cluster_that_changes_gets_its_endpoints_again(settled):
    session, client = settled
    changed = snapshot_of(session).apply({"clusters": {"r0": model.cluster("r0", "x")}})
    responses = session.publish(changed)
    assert [r.type_url for r in responses] == [CLUSTER, ENDPOINT]
    run(session, client, responses)
    assert client.warming == set()


def test_a_cluster_on_its_way_is_warmed_even_if_it_is_deleted_meanwhile():
    session, client = Session(), model.ModelEnvoy()
    client.connect()
    session.publish(Snapshot.of(bodies()))
    first = session.receive(client.outbox.popleft())
    session.publish(snapshot_of(session).apply({"clusters": {"r1": None}, "endpoints": {"r1": None}}))
    run(session, client, first)
    assert set(client.bodies()[CLUSTER]) == {"r0"}
    assert client.warming == set()


def plain_cluster(name):
    made = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.STATIC)
    return made.SerializeToString()


def test_a_cluster_without_endpoints_of_its_own_that_is_being_removed_is_not_relied_on_either():
    session = Session()
    whole = Snapshot.of({"clusters": {"s": plain_cluster("s")}, "routes": {"i0": model.route("i0", [])}})
    session.publish(whole)
    [answer] = session.receive(Request(CLUSTER))
    session.receive(Request(CLUSTER, nonce=answer.nonce))
    [answer] = session.receive(Request(ROUTE, subscribe=("i0",)))
    session.receive(Request(ROUTE, nonce=answer.nonce))
    [removal] = session.publish(whole.apply({"clusters": {"s": None}}))
    back = whole.apply({"routes": {"i0": model.route("i0", ["s"])}})
    assert session.publish(back) == []
    [again] = session.receive(Request(CLUSTER, nonce=removal.nonce))
    assert [found.name for found in again.resources] == ["s"]
    [step] = session.receive(Request(CLUSTER, nonce=again.nonce))
    assert (step.type_url, step.resources[0].name) == (ROUTE, "i0")


def test_endpoints_show_that_a_cluster_is_there_though_none_is_acknowledged():
    """Envoy acknowledges no cluster while any of them is warming; routes to the others go on."""
    session = Session()
    session.publish(Snapshot.of(bodies()))
    session.receive(Request(CLUSTER))
    [endpoints] = session.receive(Request(ENDPOINT, subscribe=("r0",)))
    assert session.receive(Request(ROUTE, subscribe=("i0",))) == []
    [route] = session.receive(Request(ENDPOINT, nonce=endpoints.nonce))
    assert [found.name for found in route.resources] == ["i0"]


@pytest.mark.parametrize("first", [CLUSTER, ENDPOINT])
def test_a_cluster_that_warms_while_a_client_resumes_gets_its_endpoints(first):
    """Either it says so by naming endpoints first, or it is sent a new version of the cluster."""
    session = Session()
    snapshot = Snapshot.of(bodies())
    session.publish(snapshot)
    clusters = {"r0": "old", "r1": snapshot.get(CLUSTER, "r1").version}
    endpoints = {"r0": snapshot.get(ENDPOINT, "r0").version}
    sent = []
    for url in (first, *({CLUSTER, ENDPOINT} - {first})):
        have = clusters if url == CLUSTER else endpoints
        names = ("r0",) if url == ENDPOINT else ()
        sent += session.receive(Request(url, subscribe=names, initial_versions=have))
    assert [(r.type_url, [found.name for found in r.resources]) for r in sent if r.type_url == ENDPOINT] == [
        (ENDPOINT, ["r0"])
    ]


def test_endpoints_that_were_refused_are_sent_again_to_a_cluster_that_waits_for_them(settled):
    session, client = settled
    bad = snapshot_of(session).apply({"endpoints": {"r0": model.endpoints("r0", model.BAD)}})
    run(session, client, session.publish(bad))
    changed = bad.apply({"clusters": {"r0": model.cluster("r0", "x")}})
    run(session, client, session.publish(changed))
    assert client.warming == set()  # to refuse them ends the wait as well
    assert client.bodies()[CLUSTER]["r0"] == changed.get(CLUSTER, "r0").body


def test_a_suspect_travels_with_nobody_else():
    session = Session()
    made = {"routes": {f"i{n}": model.route(f"i{n}", []) for n in range(100)}}
    first = Snapshot.of(made)
    session.publish(first)
    [chunk] = session.receive(Request(ROUTE, subscribe=tuple(made["routes"])))
    inbox = session.receive(Request(ROUTE, nonce=chunk.nonce, error="one of them"))
    later = first.apply({"routes": {name: model.route(name, [], "x") for name in made["routes"]}})
    inbox += session.publish(later)
    sizes = []
    while inbox:
        response = inbox.pop(0)
        sizes.append(len(response.resources))
        inbox += session.receive(Request(ROUTE, nonce=response.nonce))
    assert sizes[:100] == [1] * 100
    assert session.acked[ROUTE] == {name: found.version for name, found in later.of_type(ROUTE).items()}
