"""Findings about a whole table: references, certificates, order."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter

import pytest

from knet.errors import Severity
from knet.routing.build import build
from knet.routing.check import check, unique
from knet.routing.check_tls import LISTENERS, covers
from knet.routing.table import Certificate
from support import world

HEAD = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: a, namespace: ns}
spec:
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: x, namespace: ns}
spec: {ports: [{name: http, port: 80}]}
"""


def split(service="x", port="80", percent=100):
    return f"{{serviceNamespace: ns, serviceName: {service}, servicePort: {port}, percent: {percent}}}"


def rule(*paths, hosts="[a.example.com]"):
    listed = ", ".join(paths or (path(),))
    return f"  - {{hosts: {hosts}, http: {{paths: [{listed}]}}}}\n"


def path(*splits, prefix="", headers=""):
    return f"{{path: '{prefix}', headers: {{{headers}}}, splits: [{', '.join(splits or (split(),))}]}}"


def found(spec, more=SERVICE, table=None, **options):
    made = world(HEAD + spec + more)
    return check(made, table(build(made)) if table else build(made), **options)


def said(*args, **options):
    return [(d.code, d.field) for d in found(*args, **options)]


def test_a_sound_table_has_no_findings():
    assert said("  rules:\n" + rule()) == []


def test_missing_services_are_named_once_even_at_zero_percent():
    spec = "  rules:\n" + rule(
        path(split("x", percent=100), split("gone", percent=0)), path(split("gone"), prefix="/b")
    )
    (one,) = found(spec)
    assert (one.code, one.field) == ("KNET202", "spec.rules[0].http.paths[0].splits[1].serviceName")
    assert "which gets 0 percent" in one.message


@pytest.mark.parametrize(("port", "wanted"), [("http", 0), ("'80'", 0), ("81", 1), ("grpc", 1)])
def test_ports_are_looked_up_by_number_and_name(port, wanted):
    found = said("  rules:\n" + rule(path(split("x", port))))
    assert found == [("KNET206", "spec.rules[0].http.paths[0].splits[0].servicePort")] * wanted


def test_only_known_endpoints_can_be_unready():
    slices = """\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x-1, namespace: ns, labels: {kubernetes.io/service-name: x}}
endpoints: [{addresses: [10.0.0.1], conditions: {ready: %s}}]
"""
    assert said("  rules:\n" + rule(), SERVICE + slices % "true") == []
    assert [c for c, _ in said("  rules:\n" + rule(), SERVICE + slices % "false")] == ["KNET203"]


def test_a_route_behind_one_that_asks_for_less_is_never_reached():
    tag = path(prefix="/a", headers="Tag: {exact: v1}")
    spec = "  rules:\n" + rule(path(prefix="/a"), tag, path(prefix="/abc", headers="Tag: {exact: v1}"))
    assert said(spec) == [("KNET401", "spec.rules[0].http.paths[1]")]
    assert said("  rules:\n" + rule(tag, path(prefix="/a"))) == []


def test_a_header_that_must_be_present_covers_one_with_a_value_whatever_its_case():
    spec = rule(
        path(headers="Tag: {exact: ''}"), path(headers="tag: {exact: v1}"), path(headers="Other: {exact: v1}")
    )
    assert said("  rules:\n" + spec) == [("KNET401", "spec.rules[0].http.paths[1]")]


def test_a_route_that_one_host_still_reaches_is_alive():
    spec = "  rules:\n" + rule() + rule(hosts="[a.example.com, b.example.com]")
    assert said(spec) == [("KNET209", "spec.rules[1].hosts[0]")]


def test_hosts_twice_and_no_hosts():
    spec = "  rules:\n" + rule(hosts="[a.example.com, A.example.com]") + rule(hosts="[]")
    assert said(spec) == [("KNET209", "spec.rules[0].hosts[1]"), ("KNET405", "spec.rules[1]")]


TLS = "  tls:\n  - {hosts: [a.example.com], secretName: s, secretNamespace: ns}\n"


def test_a_secret_has_to_exist_unless_the_control_plane_makes_it():
    spec = TLS + "  rules:\n" + rule()
    assert said(spec) == [("KNET204", "spec.tls[0].secretName")]
    assert said(spec, implied_secrets=frozenset({("ns", "s")})) == []


def test_a_bad_secret_is_named_without_its_bytes():
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData: {tls.crt: geheim, tls.key: geheim}\n"
    (one,) = found(TLS + "  rules:\n" + rule(), SERVICE + secret)
    assert one.code == "KNET104"
    assert "geheim" not in str(one)


def test_an_entry_that_covers_no_whole_rule_serves_nothing():
    spec = TLS + "  rules:\n" + rule(hosts="[a.example.com, b.example.com]")
    assert ("KNET207", "spec.tls[0].hosts") in said(spec, implied_secrets=frozenset({("ns", "s")}))


def with_certificate(names, not_after):
    made = Certificate(("ns", "s"), "", {}, "sha256:0", names, not_after, b"", b"")

    def change(table):

        return dataclasses.replace(table, certificates={("ns", "s"): made})

    return change


NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("until", "wanted"),
    [
        ("2029-12-31T00:00:00Z", "expired on"),
        ("2030-01-10T00:00:00Z", "expires on"),
        ("2030-03-01T00:00:00Z", ""),
    ],
)
def test_certificates_are_held_against_the_clock_that_is_given(until, wanted):
    table = with_certificate(("a.example.com",), until)
    spec = TLS + "  rules:\n" + rule()
    messages = [d.message for d in found(spec, table=table, now=NOW)]
    assert [wanted in m for m in messages] == ([True] if wanted else [])
    assert said(spec, table=table) == []


def test_certificates_have_to_cover_their_hosts():
    table = with_certificate(("*.other.com",), "2031-01-01T00:00:00Z")
    assert said(TLS + "  rules:\n" + rule(), table=table) == [("KNET205", "spec.tls[0].hosts[0]")]


@pytest.mark.parametrize(
    ("name", "host", "wanted"),
    [
        ("a.b.c", "A.b.c", True),
        ("*.b.c", "a.b.c", True),
        ("*.b.c", "x.a.b.c", False),
        ("*.b.c", "b.c", False),
        ("*.b.c", "*.b.c", True),
    ],
)
def test_wildcards_stand_for_one_label(name, host, wanted):
    assert covers(name, host) is wanted


def test_redirects_want_a_certificate_outside_only():
    spec = "  httpOption: Redirected\n  rules:\n" + rule()
    assert said(spec) == [("KNET402", "spec.httpOption")]
    assert said(spec.replace("hosts:", "visibility: ClusterLocal, hosts:")) == []


def test_more_tls_hosts_than_listeners_are_said_once():
    hosts = ", ".join(f"h{i}.example.com" for i in range(LISTENERS + 1))
    spec = TLS.replace("a.example.com", hosts) + "  rules:\n" + rule(hosts=f"[{hosts}]")
    assert Counter(c for c, _ in said(spec, implied_secrets=frozenset({("ns", "s")}))) == {"KNET403": 1}


def test_what_holds_for_all_gateways_is_not_repeated_for_one():
    (general,) = found("  rules:\n" + rule(path(split("gone"))))
    own = dataclasses.replace(general, gateway="kourier", message="other words")
    around = dataclasses.replace(own, field=own.field.removesuffix(".serviceName"))
    other = dataclasses.replace(own, field="spec.rules[1]")
    assert unique([own, general, around, other, general]) == (general, other)


def test_what_weighs_more_for_one_gateway_is_said_for_it():
    (general,) = found("  rules:\n" + rule(path(split("gone"))))
    milder = dataclasses.replace(general, severity=Severity.WARNING)
    own = dataclasses.replace(general, gateway="kourier")
    assert unique([milder, own]) == (milder, own)
