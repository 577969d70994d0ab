"""What a Route's reconcile does beside the reference cases: others' objects, orphans, gateways without a name."""

from __future__ import annotations

import copy

import pytest

from knet.model.core import Service
from knet.model.meta import ObjectMeta
from knet.model.network_certificate import Certificate, CertificateSpec
from knet.serving.conditions import Conditions
from serving_golden import Replay, _with

CASE = {
    "configmaps": {"config-domain": {"example.com": ""}},
    "route": {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Route",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"traffic": [{"configurationName": "hello", "percent": 100, "tag": "t"}]},
    },
    "configurations": [{"name": "hello", "latest_ready": "hello-00001"}],
    "revisions": [{"name": "hello-00001", "config": "hello"}, {"name": "hello-00002", "config": "hello"}],
    "services": [],
}


def replay(**changes):
    return Replay({**copy.deepcopy(CASE), **changes})


def condition(shown, name):
    return next(c for c in shown["status"]["conditions"] if c["type"] == name)


def test_somebody_elses_service_stops_the_route():
    case = replay()
    theirs = Service(metadata=ObjectMeta(name="hello", namespace="default"))
    case.world = _with(case.world, services={"hello": theirs})
    shown = case.reconcile()
    assert shown["error"] == 'route: "hello" does not own Service: "hello"'
    assert condition(shown, "IngressReady")["reason"] == "NotOwned"
    assert condition(shown, "Ready")["status"] == "False"
    assert shown["ingress"] is None


def test_a_tag_that_goes_takes_its_certificate_and_service_along():
    case = replay(configmaps={**CASE["configmaps"], "config-network": {"external-domain-tls": "enabled"}})
    first = case.reconcile()
    assert len(first["certificates"]) == 2
    route = copy.deepcopy(CASE["route"])
    del route["spec"]["traffic"][0]["tag"]
    case.set_route(route)
    second = case.reconcile()
    assert [c["spec"]["dnsNames"] for c in second["certificates"]] == [["hello.default.example.com"]]
    assert [s["metadata"]["name"] for s in second["services"]] == ["hello"]
    assert sorted(kind for kind, _ in case.outcome.removed) == ["Certificate", "Service"]
    (event,) = second["events"]
    assert event.startswith("Normal Deleted Deleted orphaned Knative Certificate default/route-route-uid-")


def test_a_certificate_of_another_issuer_keeps_its_other_annotations():
    case = replay(configmaps={**CASE["configmaps"], "config-network": {"external-domain-tls": "enabled"}})
    before = case.reconcile()["certificates"][0]["metadata"]["annotations"]
    notes = {"networking.knative.dev/certificate.class": "mine", "team": "a"}
    case.set_route({**CASE["route"], "metadata": {**CASE["route"]["metadata"], "annotations": notes}})
    after = case.reconcile()["certificates"][0]["metadata"]["annotations"]
    assert after == {**before, "networking.knative.dev/certificate.class": "mine"}


def test_why_a_certificate_fails_is_said_where_http_is_no_way_out():
    network = {"external-domain-tls": "enabled", "http-protocol": "redirected"}
    case = replay(configmaps={**CASE["configmaps"], "config-network": network})
    case.reconcile()
    case.certificates("failed")
    said = condition(case.reconcile(), "CertificateProvisioned")
    assert (said["status"], said["reason"]) == ("False", "CertificateProvisionFailed")
    assert said["message"].endswith(" fails to be provisioned: failed")


def test_a_certificate_of_somebody_else_stops_the_route():
    case = replay(configmaps={**CASE["configmaps"], "config-network": {"external-domain-tls": "enabled"}})
    case.reconcile()
    theirs = {
        name: c.model_copy(update={"metadata": c.metadata.model_copy(update={"owner_references": ()})})
        for name, c in case.world.certificates.items()
    }
    case.world = _with(case.world, certificates=theirs)
    shown = case.reconcile()
    assert "does not own Certificate" in shown["error"]
    assert condition(shown, "CertificateProvisioned")["reason"] == "CertificateNotOwned"


def test_a_mesh_without_gateway_leaves_a_bare_name():
    case = replay()
    case.reconcile()
    case.ready({"ingress_ready": True, "lb": {"meshOnly": True}})
    shown = case.reconcile()
    assert {s["spec"]["type"] for s in shown["services"]} == {"ClusterIP"}
    assert shown["services"][0]["spec"]["ports"] == [{"name": "http", "port": 80}]


def test_names_that_end_in_a_number_are_no_hosts():
    """A namespace `123` leaves `hello.123` out, as gateways would take it for an address."""
    case = replay(route={**CASE["route"], "metadata": {"name": "hello", "namespace": "123"}})
    hosts = [list(rule["hosts"]) for rule in case.reconcile()["ingress"]["spec"]["rules"]]
    assert hosts[0] == ["hello.123.svc", "hello.123.svc.cluster.local"]
    assert hosts[1] == ["hello.123.example.com"]


def test_any_visibility_of_a_service_hides_its_tag():
    label = {"networking.knative.dev/visibility": "whatever"}
    case = replay(services=[{"name": "t-hello", "labels": label}])
    shown = case.reconcile()
    kinds = [(r["hosts"][-1], r["visibility"]) for r in shown["ingress"]["spec"]["rules"]]
    assert kinds == [
        ("hello.default.svc.cluster.local", "ClusterLocal"),
        ("hello.default.example.com", "ExternalIP"),
        ("t-hello.default.svc.cluster.local", "ClusterLocal"),
    ]
    # but the private gateway alone is only for those that say cluster-local
    case.ready({"ingress_ready": True, "lb": {"domainInternal": "public.svc"}})
    assert [s["spec"]["externalName"] for s in case.reconcile()["services"]] == ["public.svc"] * 2


def test_a_private_gateway_without_entries_is_none():
    case = replay()
    case.reconcile()
    ingress = case.world.ingress
    status = {"privateLoadBalancer": {"ingress": []}, "publicLoadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}
    case.world = _with(case.world, ingress=ingress.model_copy(update={"status": status}))
    assert {s["spec"]["clusterIP"] for s in case.reconcile()["services"]} == {"None"}


def test_what_is_added_to_a_route_reaches_its_services_and_what_goes_stays():
    case = replay()
    case.reconcile()
    case.ready({"ingress_ready": True})
    case.set_route({**CASE["route"], "metadata": {**CASE["route"]["metadata"], "labels": {"team": "a"}}})
    assert [s["metadata"]["labels"]["team"] for s in case.reconcile()["services"]] == ["a", "a"]
    case.set_route(CASE["route"])
    assert [s["metadata"]["labels"]["team"] for s in case.reconcile()["services"]] == ["a", "a"]


def test_of_two_spellings_the_first_that_is_there_counts_be_it_empty():
    notes = {"networking.knative.dev/http-protocol": "", "networking.knative.dev/httpOption": "redirected"}
    case = replay(
        route={**CASE["route"], "metadata": {"name": "hello", "namespace": "default", "annotations": notes}}
    )
    assert case.reconcile()["ingress"]["spec"]["httpOption"] == "Enabled"


def test_a_bad_protocol_is_told_in_lower_case():
    notes = {"networking.knative.dev/http-protocol": "Nope"}
    case = replay(
        route={**CASE["route"], "metadata": {"name": "hello", "namespace": "default", "annotations": notes}}
    )
    assert case.reconcile()["error"] == "incorrect http-protocol annotation: nope"


def test_two_gateways_are_one_too_many():
    case = replay()
    before = case.reconcile()["services"]
    ingress = case.world.ingress
    status = {"publicLoadBalancer": {"ingress": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]}}
    case.world = _with(case.world, ingress=ingress.model_copy(update={"status": status}))
    assert case.reconcile()["services"] == before


def test_a_new_generation_is_not_ready_before_its_gateway_is():
    case = replay()
    case.reconcile()
    case.ready({"ingress_ready": True})
    assert condition(case.reconcile(), "Ready")["status"] == "True"
    route = copy.deepcopy(CASE["route"])
    route["spec"]["traffic"] = [{"revisionName": "hello-00002", "percent": 100}]
    case.set_route(route)
    assert condition(case.reconcile(), "Ready")["reason"] == "IngressNotConfigured"


def test_false_beats_unknown_and_the_last_change_speaks():
    conditions = Conditions(("A", "B"), (), "2026-01-01T00:00:00Z")
    conditions.initialize()
    conditions.unknown("A", "Waiting", "a")
    conditions.unknown("B", "Waiting", "b")
    assert conditions.get("Ready").message == "b"
    conditions.false("A", "Broken", "a")
    conditions.unknown("B", "Still", "b")
    assert conditions.get("Ready").reason == "Broken"
    conditions.true("A")
    assert conditions.get("Ready").reason == "Still"
    conditions.true("B")
    assert conditions.get("Ready").status == "True"


def test_what_did_not_change_keeps_its_time():
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    first = Conditions(("A",), (), early)
    first.initialize()
    first.true("A")
    again = Conditions(("A",), first.dump(), late)
    again.unknown("A", "Waiting", "")
    again.true("A")
    assert [c["lastTransitionTime"] for c in again.dump()] == [early, early]


def shared(status):
    """The wildcard Certificate of the namespace."""
    name = "default.example.com"
    condition = {"type": "Ready", "status": status, "reason": "Pending", "message": "soon"}
    return Certificate(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=CertificateSpec(dns_names=(f"*.{name}",), secret_name=name),
        status={"conditions": [condition]},
    )


@pytest.mark.parametrize(
    ("status", "scheme", "reason", "tls"),
    [
        ("True", "https", "", 2),
        ("Unknown", "http", "HTTPDowngrade", 0),
        ("False", "http", "HTTPDowngrade", 0),
    ],
)
def test_a_route_waits_for_a_wildcard_and_orders_none(status, scheme, reason, tls):
    case = replay(configmaps={**CASE["configmaps"], "config-network": {"external-domain-tls": "enabled"}})
    case.world = _with(case.world, shared=(shared(status),))
    shown = case.reconcile()
    assert shown["certificates"] is None
    assert shown["status"]["url"] == f"{scheme}://hello.default.example.com"
    assert condition(shown, "CertificateProvisioned").get("reason", "") == reason
    entries = shown["ingress"]["spec"].get("tls") or []
    assert len(entries) == tls
    assert {e["secretName"] for e in entries} <= {"default.example.com"}


def test_a_certificate_of_its_own_serves_until_the_wildcard_is_issued():
    case = replay(configmaps={**CASE["configmaps"], "config-network": {"external-domain-tls": "enabled"}})
    case.reconcile()
    case.certificates("ready")
    before = case.reconcile()
    case.world = _with(case.world, shared=(shared("Unknown"),))
    assert case.reconcile()["ingress"]["spec"]["tls"] == before["ingress"]["spec"]["tls"]
    case.world = _with(case.world, shared=(shared("True"),))
    after = case.reconcile()
    assert {e["secretName"] for e in after["ingress"]["spec"]["tls"]} == {"default.example.com"}
    assert len(after["certificates"]) == 2  # they stay, for the day when the wildcard goes


def test_hosts_of_a_route_that_no_wildcard_covers_have_their_own():
    network = {"external-domain-tls": "enabled", "tag-template": "{{.Tag}}.{{.Name}}"}
    case = replay(configmaps={**CASE["configmaps"], "config-network": network})
    case.world = _with(case.world, shared=(shared("True"),))
    made = case.reconcile()["certificates"]
    assert [c["spec"]["dnsNames"] for c in made] == [["t.hello.default.example.com"]]
