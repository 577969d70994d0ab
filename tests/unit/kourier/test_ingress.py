"""One KIngress: what it gets, what it loses, and what leaves it out."""

from __future__ import annotations

import pytest

from evaluators import kourier
from knet.routing.world import World
from kourier_worlds import ask, ingress, render, rendered_of, rule, split
from strategies import make_world


def names(documents, section):
    return [d["name"] for d in documents[section]]


def test_scopes_are_named_by_side_and_host_and_lead_to_one_configuration():
    _, documents = rendered_of(ingress(rule("App.com"), rule("app.default", local=True)))
    assert names(documents, "scopedRoutes") == [
        "ext|app.com",
        "int|app.com",
        "int|app.default",
        "int|internalkourier",
    ]
    assert names(documents, "routes") == ["rc/default/app", "rc/internalkourier"]


def test_hosts_with_the_same_routes_share_a_virtual_host():
    _, documents = rendered_of(ingress(rule("b.com", "a.com"), rule("app.default", local=True)))
    config = documents["routes"][0]
    assert [(h["name"], h["domains"]) for h in config["virtualHosts"]] == [("a.com", ["*"])]


def test_a_host_that_means_something_else_inside_has_a_second_configuration():
    inside = rule("app.com", local=True, paths=[{"splits": [split("app-00002")]}])
    _, documents = rendered_of(ingress(rule("app.com", paths=[{"path": "/a", "splits": [split()]}]), inside))
    assert names(documents, "routes") == ["rc/default/app", "rc/default/app/int", "rc/internalkourier"]
    assert kourier.evaluate(documents, ask("app.com", "/b")).outcome == "not found"
    assert kourier.evaluate(documents, ask("app.com", "/b", local=True)).sent[0].service == "app-00002"
    assert kourier.evaluate(documents, ask("app.com", "/a", local=True)).sent[0].service == "app-00001"


def test_a_younger_kingress_loses_only_the_contested_host():
    old = ingress(rule("app.com"), name="old", created="2026-01-01T00:00:00Z")
    paths = [{"splits": [split("app-00002")]}]
    young = ingress(rule("app.com", "b.com", paths=paths), name="young", created="2026-01-02T00:00:00Z")
    rendered, documents = rendered_of(young, old)
    assert not rendered.left_out
    assert kourier.evaluate(documents, ask("app.com")).sent[0].service == "app-00001"
    assert kourier.evaluate(documents, ask("b.com")).sent[0].service == "app-00002"


def test_one_that_loses_every_host_is_left_out():
    old = ingress(rule("app.com"), name="old", created="2026-01-01T00:00:00Z")
    young = ingress(rule("app.com"), name="young", created="2026-01-02T00:00:00Z")
    rendered, _ = rendered_of(young, old)
    assert rendered.left_out == {("default", "young")}
    assert ("default", "young") not in rendered.uses


@pytest.mark.parametrize(
    "host", ["*", "*.app.com", "app.com:80", "[::1]", "app.com.", "", "internalkourier", "a b"]
)
def test_hosts_that_cannot_be_scopes_are_left_out_alone(host):
    rendered, documents = rendered_of(ingress(rule("good.com", host)))
    assert [d.code for d in rendered.diagnostics] == ["KNET102"]
    assert rendered.diagnostics[0].field == "spec.rules[0].hosts[1]"
    assert "ext|good.com" in names(documents, "scopedRoutes")
    assert len(documents["scopedRoutes"]) == 3


@pytest.mark.parametrize(
    ("paths", "code", "field"),
    [
        ([{"splits": [split("nobody")]}], "KNET202", "splits[0]"),
        ([{"splits": [split(), split("nobody", 0)]}], "KNET202", "splits[1]"),
        ([{"splits": [split(percent=0), split("app-00002", 0)]}], "KNET330", "splits"),
        ([{"splits": [split(percent=-5), split("app-00002", 105)]}], "KNET330", "splits"),
        ([{"splits": []}], "KNET330", "splits"),
        ([{"splits": [split()], "appendHeaders": {"x": "a\nb"}}], "KNET331", "appendHeaders"),
        ([{"splits": [split(appendHeaders={":path": "/"})]}], "KNET331", "splits"),
        ([{"splits": [split()], "headers": {"": {"exact": "a"}}}], "KNET331", "headers"),
        ([{"splits": [split()], "rewriteHost": "a\r\nb"}], "KNET331", "rewriteHost"),
    ],
)
def test_what_envoy_refuses_leaves_one_kingress_out(paths, code, field):
    bad = ingress(rule("bad.com", paths=paths), name="bad")
    rendered, documents = rendered_of(bad, ingress(rule("good.com")))
    assert rendered.left_out == {("default", "bad")}
    assert [(d.code, d.field) for d in rendered.diagnostics] == [
        (code, f"spec.rules[0].http.paths[0].{field}")
    ]
    assert names(documents, "routes") == ["rc/default/app", "rc/internalkourier"]


def test_without_ready_addresses_it_is_left_out():
    made = make_world(ingress(rule("app.com")))
    rendered, documents = render(World(made.ingresses, made.services))
    assert [d.code for d in rendered.diagnostics] == ["KNET203"]
    assert documents["clusters"] == []


def test_implied_services_are_served_without_endpoints():
    made = make_world(ingress(rule("app.com")))
    rendered, documents = render(World(made.ingresses, implied=frozenset({("default", "app-00001")})))
    assert not rendered.left_out
    assert documents["endpoints"] == [{"clusterName": "default/app-00001"}]


def test_a_host_in_append_headers_is_a_rewrite():
    paths = [{"splits": [split()], "appendHeaders": {"host": "other.com", "x": "100%"}}]
    _, documents = rendered_of(ingress(rule("app.com", paths=paths)))
    sent = kourier.evaluate(documents, ask("app.com")).sent[0]
    assert (sent.host, sent.headers) == ("other.com", (("x", "100%"),))
    assert '"host"' not in str(documents["routes"][0]).lower().replace("'", '"')


@pytest.mark.parametrize(("secret", "code"), [("gone", "KNET204"), ("app-cert", None)])
def test_secrets(secret, code):
    tls = [{"hosts": ["app.com"], "secretName": secret, "secretNamespace": "default"}]
    rendered, documents = rendered_of(ingress(rule("app.com"), tls=tls))
    assert [d.code for d in rendered.diagnostics] == ([code] if code else [])
    assert names(documents, "secrets") == ([] if code else ["default/app-cert"])


def test_http2_can_be_switched_off_by_annotation():
    made = make_world(ingress(rule("app.com")))
    key = ("default", "app-00001")
    service = made.services[key]
    ports = tuple(p.model_copy(update={"name": "http2"}) for p in service.spec.ports)
    h2 = service.model_copy(update={"spec": service.spec.model_copy(update={"ports": ports})})
    off = made.ingresses["default", "app"]
    annotations = {"kourier.knative.dev/disable-http2": "TRUE"}
    off = off.model_copy(update={"metadata": off.metadata.model_copy(update={"annotations": annotations})})
    services = {**made.services, key: h2}
    for ingresses, wanted in ((made.ingresses, True), ({off.key: off}, False)):
        _, documents = render(World(ingresses, services, made.endpoint_slices))
        assert ("http2ProtocolOptions" in str(documents["clusters"])) is wanted
