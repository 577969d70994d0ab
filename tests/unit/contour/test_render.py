"""What is rendered, left out, and kept by whom."""

from __future__ import annotations

import pytest

from contour_helpers import config, ingress, make, path, rule, service, split
from knet.backends.contour import backend
from knet.errors import Severity


def test_a_service_of_another_namespace_is_left_out_though_a_namesake_is_near() -> None:
    there = service("app", namespace="other")
    made = make(ingress(rule("a.com", paths=[path(split(namespace="other"))])), there)
    assert made.codes == ["KNET328"]
    assert made.fields == ["spec.rules[0].http.paths[0].splits[0].serviceNamespace"]
    assert made.rendered.left_out == {("default", "app")}
    assert not made.rendered.objects


def test_a_path_without_splits_has_no_services_not_an_empty_list() -> None:
    made = make(ingress(rule("a.com", paths=[{"splits": []}])))
    (document,) = backend.documents(made.rendered)
    assert not any("services" in route for route in document["spec"]["routes"])


def test_one_that_is_left_out_hides_no_other() -> None:
    made = make(ingress(rule("a.com", paths=[path(split("gone"))])), ingress(rule("b.com"), name="good"))
    assert made.codes == ["KNET202"]
    assert made.hosts == [("contour-external", "b.com")]


def test_a_name_too_long_for_a_label_is_an_error() -> None:
    made = make(ingress(rule("a.com"), name="a" * 64))
    assert made.codes == ["KNET320"]
    assert made.rendered.diagnostics[0].severity is Severity.ERROR
    assert not make(ingress(rule("a.com"), name="a" * 63)).codes


def test_of_two_kingresses_the_older_has_the_host() -> None:
    made = make(ingress(rule("a.com"), name="b", day=1), ingress(rule("a.com"), name="a", day=2))
    assert set(made.rendered.parents.values()) == {("default", "b")}
    assert made.rendered.left_out == {("default", "a")}


def test_a_host_in_two_classes_is_no_conflict() -> None:
    made = make(
        ingress(rule("a.com"), name="a"), ingress(rule("a.com", visibility="ClusterLocal"), name="b", day=2)
    )
    assert made.hosts == [("contour-external", "a.com"), ("contour-internal", "a.com")]


def test_who_writes_a_host_comes_before_who_has_it_as_a_shorter_form() -> None:
    long = ingress(rule("app.default.svc.cluster.local", visibility="ClusterLocal"), name="a", day=1)
    short = ingress(rule("app.default", visibility="ClusterLocal"), name="b", day=2)
    made = make(long, short)
    owner = {ref.name: key[1] for ref, key in made.rendered.parents.items()}
    assert owner == {
        "a-contour-internal-app.default.svc": "a",
        "a-contour-internal-app.default.svc.cluster.local": "a",
        "b-contour-internal-app.default": "b",
    }


def test_of_two_that_have_a_host_as_a_shorter_form_the_older_keeps_it() -> None:
    one = ingress(rule("app.default.svc.cluster.local", visibility="ClusterLocal"), name="z", day=1)
    two = ingress(rule("app.default.cluster.local", visibility="ClusterLocal"), name="a", day=2)
    made = make(one, two)
    assert made.hosts.count(("contour-internal", "app.default")) == 1
    assert "z-contour-internal-app.default" in {ref.name for ref in made.rendered.parents}


def test_a_rule_that_writes_a_host_comes_before_one_that_has_it_as_a_shorter_form() -> None:
    made = make(
        ingress(
            rule("app.default.svc.cluster.local", visibility="ClusterLocal", paths=[path(prefix="/long")]),
            rule("app.default", visibility="ClusterLocal", paths=[path(prefix="/short")]),
        )
    )
    prefixes = {
        c["prefix"] for r in made.proxy("app.default")["routes"] for c in r["conditions"] if "prefix" in c
    }
    assert prefixes == {"/short"}


def test_changed_renders_only_these() -> None:
    objects = [ingress(rule(f"{n}.com"), name=n) for n in ("a", "b", "c")]
    whole, part = make(*objects), make(*objects, changed=frozenset({("default", "b"), ("default", "gone")}))
    assert part.rendered.objects == tuple(
        o
        for o in whole.rendered.objects
        if o["metadata"]["labels"]["contour.networking.knative.dev/parent"] == "b"
    )
    assert set(part.rendered.parents.values()) == {("default", "b")}


@pytest.mark.parametrize(
    ("port", "wanted", "protocol"), [(80, 80, None), (81, 81, "h2c"), ("http2", 0, "h2c"), ("http", 0, None)]
)
def test_a_service_still_to_be_made_is_reached_as_its_port_says(
    port: object, wanted: int, protocol: object
) -> None:
    made = make(
        ingress(rule("a.com", paths=[path(split("rev", port=port))])), implied=frozenset({("default", "rev")})
    )
    service = made.proxy("a.com")["routes"][1]["services"][0]
    assert (service["port"], service.get("protocol")) == (wanted, protocol)


@pytest.mark.parametrize(
    ("port", "wanted"),
    [("8080", 8080), ("+80", 80), ("-1", -1), ("http", 0), ("", 0), ("８０", 0), ("9" * 30, 0)],
)
def test_port_text_is_read_as_a_number_or_is_0(port: str, wanted: int) -> None:
    made = make(ingress(rule("a.com", paths=[path(split(port=port))])))
    assert made.proxy("a.com")["routes"][0]["services"][0]["port"] == wanted


@pytest.mark.parametrize(
    ("ports", "protocol"), [(("http",), "tls"), (("http2",), "h2"), (("http", "http2"), "tls")]
)
def test_with_internal_tls_the_first_port_decides(ports: tuple[str, ...], protocol: str) -> None:
    tls = config("config-network", system_internal_tls="enabled")
    made = make(ingress(rule("a.com", paths=[path(split("x"))])), service("x", *ports), tls)
    found = made.proxy("a.com")["routes"][0]["services"][0]
    assert found["protocol"] == protocol
    assert found["validation"] == {
        "caSecret": "knative-serving/routing-serving-certs",
        "subjectName": "kn-user-default",
        "subjectNames": ["kn-user-default", "kn-routing"],
    }


def test_with_internal_tls_a_domain_mapping_stays_h2c_and_a_challenge_plain() -> None:
    tls = config("config-network", system_internal_tls="Enabled")
    mapped = split(appendHeaders={"K-Original-Host": "a.com"})
    made = make(
        ingress(
            rule(
                "a.com",
                paths=[path(mapped, rewriteHost="b"), path(prefix="/.well-known/acme-challenge/x")],
            )
        ),
        tls,
    )
    first, second = (r["services"][0] for r in made.proxy("a.com")["routes"][:2])
    assert first["protocol"] == "h2c"
    assert "validation" in first
    assert "protocol" not in second
    assert "validation" not in second


def test_rendering_is_the_same_twice() -> None:
    one = ingress(rule("a.com", "b.com", paths=[path(prefix="/x"), path()]))
    assert make(one).rendered == make(one).rendered


def test_documents_are_the_objects() -> None:
    made = make(ingress(rule("a.com")))
    documents = backend.documents(made.rendered)
    assert [(d["apiVersion"], d["kind"]) for d in documents] == [("projectcontour.io/v1", "HTTPProxy")]
