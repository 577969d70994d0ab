"""What `knet.routing.diff` says about edits that people make."""

from __future__ import annotations

from typing import Any

import pytest

from knet.routing.build import build
from knet.routing.diff import Kind, diff
from knet.routing.table import RouteMatch, RoutingTable, Visibility
from knet.text import yaml
from strategies import key_pair
from support import world

HOST = "hello.default.example.com"


def path(*splits: tuple[str, int], **more: Any) -> dict[str, Any]:
    made = [
        {"serviceNamespace": "default", "serviceName": name, "servicePort": 80, "percent": percent}
        for name, percent in splits
    ]
    return {"splits": made, **more}


def rule(*paths: dict[str, Any], hosts: tuple[str, ...] = (HOST,), **more: Any) -> dict[str, Any]:
    return {"hosts": list(hosts), "visibility": "ExternalIP", "http": {"paths": list(paths)}, **more}


def table(
    *rules: dict[str, Any], name: str = "hello", more: tuple[Any, ...] = (), **spec: Any
) -> RoutingTable:
    ingress = {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"rules": list(rules), **spec},
    }
    return build(world(yaml.dump_all([ingress, *more])))


def only(old: RoutingTable, new: RoutingTable):
    """The one change of the one host."""
    (host,) = diff(old, new)
    (change,) = host.changes
    return change


CANARY = {"headers": {"Knative-Serving-Tag": {"exact": "canary"}}}
STEADY = table(rule(path(("hello-00001", 90), ("hello-00002", 10))))


def test_traffic_shifts_by_destination():
    new = table(rule(path(("hello-00001", 50), ("hello-00002", 50))))
    change = only(STEADY, new)
    assert change.kind is Kind.TRAFFIC_SHIFTED
    assert change.match == RouteMatch("/")
    assert [(s.destination.service, s.old, s.new) for s in change.shifts] == [
        ("hello-00001", 90, 50),
        ("hello-00002", 10, 50),
    ]


def test_equal_weights_written_otherwise_are_no_difference():
    assert not diff(STEADY, table(rule(path(("hello-00002", 10), ("hello-00001", 90), ("hello-00003", 0)))))


def test_a_hash_or_generation_alone_is_no_difference():
    old, new = table(rule(path(("a", 100)))), table(rule(path(("a", 0))))
    assert old.ingresses["default", "hello"].raw_hash != new.ingresses["default", "hello"].raw_hash
    assert not diff(old, new)


def test_routes_that_no_request_can_confuse_may_change_places():
    one, other = path(("a", 100), path="/a"), path(("b", 100), path="/b")
    assert not diff(table(rule(one, other)), table(rule(other, one)))


def test_a_header_route_behind_a_plain_one_is_lost():
    plain, canary = path(("a", 100)), path(("b", 100), **CANARY)
    change = only(table(rule(canary, plain)), table(rule(plain, canary)))
    assert change.kind is Kind.MATCH_REMOVED
    assert change.match == RouteMatch("/", (("knative-serving-tag", "canary"),))
    assert [(s.destination.service, s.old, s.new) for s in change.shifts] == [("a", 0, 100), ("b", 100, 0)]


def test_a_header_route_that_did_the_same_may_be_shadowed():
    plain, canary = path(("a", 100)), path(("a", 100), **CANARY)
    assert not diff(table(rule(canary, plain)), table(rule(plain, canary)))


def test_two_header_routes_that_one_request_can_ask_for_change_places():
    one = path(("a", 100), headers={"X-A": {"exact": "1"}})
    other = path(("b", 100), headers={"X-B": {"exact": "1"}})
    change = only(table(rule(one, other)), table(rule(other, one)))
    assert change.kind is Kind.ORDER_CHANGED
    assert (change.old, change.new) == ("x-a: 1", "x-b: 1")


def test_written_order_counts_where_a_gateway_keeps_it():
    longer, root = path(("a", 100), path="/a"), path(("b", 100))
    old, new = table(rule(longer, root)), table(rule(root, longer))
    assert not diff(old, new)
    (host,) = diff(old, new, as_written=True)
    assert host.changes[0].kind is Kind.MATCH_REMOVED


@pytest.mark.parametrize(
    ("edit", "kind", "subject", "was", "now"),
    [
        ({"appendHeaders": {"X-A": "1"}}, Kind.HEADERS_CHANGED, "x-a", "", '"1"'),
        ({"rewriteHost": "other.default"}, Kind.HOST_REWRITE_CHANGED, "", "", "other.default"),
    ],
)
def test_edits_of_a_route(edit, kind, subject, was, now):
    change = only(STEADY, table(rule(path(("hello-00001", 90), ("hello-00002", 10), **edit))))
    assert (change.kind, change.subject, change.old, change.new) == (kind, subject, was, now)


def test_a_header_of_one_destination_names_it():
    old, new = path(("a", 50), ("b", 50)), path(("a", 50), ("b", 50))
    new["splits"][1]["appendHeaders"] = {"X-A": "1"}
    assert only(table(rule(old)), table(rule(new))).subject == "x-a for b"


def test_headers_that_come_with_a_new_destination_are_not_told_twice():
    old, new = path(("a", 100)), path(("b", 100))
    old["splits"][0]["appendHeaders"] = {"Knative-Serving-Revision": "a"}
    new["splits"][0]["appendHeaders"] = {"Knative-Serving-Revision": "b"}
    assert only(table(rule(old)), table(rule(new))).kind is Kind.TRAFFIC_SHIFTED


def test_hosts_come_and_go_with_their_traffic():
    other = rule(path(("b", 100)), hosts=("b.example.com",))
    old, new = table(rule(path(("a", 100)))), table(rule(path(("a", 100))), other)
    change = only(old, new)
    assert change.kind is Kind.HOST_ADDED
    assert change.visibilities == (Visibility.EXTERNAL, Visibility.INTERNAL)
    assert [(s.destination.service, s.new) for s in change.shifts] == [("b", 100)]
    assert only(new, old).kind is Kind.HOST_REMOVED


def test_visibility_widens_and_narrows():
    inner = table(rule(path(("a", 100)), visibility="ClusterLocal"))
    outer = table(rule(path(("a", 100))))
    assert only(inner, outer).kind is Kind.VISIBILITY_WIDENED
    assert only(outer, inner).kind is Kind.VISIBILITY_NARROWED


def test_a_redirect_is_told_once_for_all_routes():
    rules = rule(path(("b", 100), path="/b"), path(("a", 100)))
    change = only(table(rules), table(rules, httpOption="Redirected"))
    assert (change.kind, change.match) == (Kind.REDIRECT_ADDED, None)


def test_one_hosts_owner_changes():
    old, new = table(rule(path(("a", 100)))), table(rule(path(("a", 100))), name="other")
    (host,) = diff(old, new)
    assert host.has(Kind.OWNER_CHANGED)
    assert (host.old, host.new) == (("default", "hello"), ("default", "other"))


def test_hosts_that_change_alike_come_together_public_names_first():
    hosts = (HOST, "hello.default", "hello.default.svc", "hello.default.svc.cluster.local")
    old = table(rule(path(("a", 100)), hosts=hosts))
    (found,) = diff(old, table(rule(path(("b", 100)), hosts=hosts)))
    assert found.hosts == (HOST, hosts[3], hosts[2], hosts[1])


def secret(name: str) -> dict[str, Any]:
    chain, key = key_pair(f"{name}-diff", (HOST,) if name != "stray" else ("else.example.com",))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert", "namespace": "default"},
        "stringData": {"tls.crt": chain, "tls.key": key},
    }


def test_certificates_come_change_by_digest_and_fit():
    tls = [{"hosts": [HOST], "secretName": "cert", "secretNamespace": "default"}]
    rules = rule(path(("a", 100)))
    bare = table(rules, more=(secret("one"),))
    one, other, stray = (table(rules, tls=tls, more=(secret(n),)) for n in ("one", "other", "stray"))
    assert only(bare, one).kind is Kind.TLS_ADDED
    assert only(one, bare).kind is Kind.TLS_REMOVED
    changed = only(one, other)
    assert changed.kind is Kind.TLS_CHANGED
    assert changed.old != changed.new
    assert changed.old.startswith("default/cert (sha256:")
    assert "does not cover the host" in only(one, stray).new
    assert "BEGIN" not in str(diff(one, other))


def test_a_service_that_is_reached_otherwise():
    def service(port: dict[str, Any]) -> dict[str, Any]:
        meta = {"name": "a", "namespace": "default"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}}

    old = table(rule(path(("a", 100))), more=(service({"port": 80, "name": "http", "targetPort": 8012}),))
    new = table(rule(path(("a", 100))), more=(service({"port": 80, "name": "http2", "targetPort": 8013}),))
    change = only(old, new)
    assert (change.kind, change.subject) == (Kind.UPSTREAM_CHANGED, "a")
    assert "h2c" in change.new
