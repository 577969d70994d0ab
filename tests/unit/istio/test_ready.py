"""Readiness from VirtualServices that came back, the status of each state, and whom a prober asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knet.backends.api import Readiness, State
from knet.backends.istio import backend
from knet.backends.istio.status import status
from knet.backends.istio.targets import Target, probe_targets
from knet.routing.build import build
from support import world

KEY = ("default", "app")
INGRESS = """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  {name: app, namespace: default, uid: u, generation: 3,
   annotations: {networking.knative.dev/ingress-class: istio.ingress.networking.knative.dev}}
spec:
  httpOption: Enabled
  rules:
  - hosts: [b.example.com, a.example.com]
    http: {paths: [{splits: [{serviceName: app, serviceNamespace: default, servicePort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
"""
GATEWAY = """
apiVersion: v1
kind: Service
metadata: {name: gw, namespace: edge, labels: {istio: gw}}
spec: {ports: [{name: plain, port: 80}, {name: secure, port: 443}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: gw, namespace: edge}
subsets:
- addresses: [{ip: 10.0.0.2}, {ip: 10.0.0.1}]
  notReadyAddresses: [{ip: 10.0.0.3}]
  ports: [{name: plain, port: 8080}, {name: secure, port: 8443}]
---
"""
MESH_ONLY = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-istio, namespace: knative-serving}
data: {external-gateways: "[]", local-gateways: "[]"}
"""


def rendered(*texts):
    known = world(INGRESS, *texts)
    settings, _ = backend.settings(known)
    return backend.render(build(known, backend.ingress_class), settings)


def observed(made):
    return {f"{o['metadata']['namespace']}/{o['metadata']['name']}": o for o in made.objects}


def test_ready_when_there_as_rendered():
    made = rendered()
    assert backend.ready(made, observed(made)) == {KEY: Readiness(State.READY)}


def test_waits_for_what_is_not_there_or_is_another():
    made = rendered()
    assert "does not exist yet" in backend.ready(made, {})[KEY].reason
    (name,) = observed(made)
    found = backend.ready(made, {name: {**observed(made)[name], "spec": {}}})[KEY]
    assert found == Readiness(State.WAITING, "VirtualService app-ingress is not as rendered yet")


def test_what_needs_no_object_is_ready():
    made = rendered(MESH_ONLY)
    assert not made.objects
    assert backend.ready(made, {}) == {KEY: Readiness(State.READY)}


def test_what_is_left_out_failed():
    text = INGRESS.replace(
        "spec:\n", "spec:\n  tls: [{hosts: [a.example.com, b.example.com], secretName: s}]\n", 1
    )
    known = world(text)
    settings, _ = backend.settings(known)
    made = backend.render(build(known, backend.ingress_class), settings)
    assert backend.ready(made, {})[KEY] == Readiness(State.FAILED, 'secret "s" not found')


def origin_and_settings(*texts):
    known = world(INGRESS, *texts)
    settings, _ = backend.settings(known)
    return build(known, backend.ingress_class).ingresses[KEY].origin, settings


def conditions(found):
    return {c["type"]: (c["status"], c.get("reason", "")) for c in found["conditions"]}


@pytest.mark.parametrize(
    ("state", "network", "balancer", "ready"),
    [
        (State.READY, ("True", ""), ("True", ""), ("True", "")),
        (State.WAITING, ("True", ""), ("Unknown", "Uninitialized"), ("Unknown", "Uninitialized")),
        (State.FAILED, ("Unknown", ""), ("Unknown", ""), ("Unknown", "ReconcileIngressFailed")),
    ],
)
def test_status_of_each_state(state, network, balancer, ready):
    origin, settings = origin_and_settings()
    assert conditions(status(state, settings, origin)) == {
        "NetworkConfigured": network,
        "LoadBalancerReady": balancer,
        "Ready": ready,
    }


def test_a_status_without_news_stays_as_it_is():
    origin, settings = origin_and_settings()
    first = status(State.READY, settings, origin)
    first["conditions"] = [{**c, "lastTransitionTime": "then"} for c in reversed(first["conditions"])]
    assert status(State.READY, settings, origin, first) == first
    newer = status(State.WAITING, settings, origin, first)
    assert [c.get("lastTransitionTime") for c in newer["conditions"]] == [None, "then", None]
    assert newer["observedGeneration"] == 3


def test_load_balancers_are_named_as_configured():
    config = MESH_ONLY.replace('"[]", local', '"[{name: x, service: gw.edge.svc.other.domain}]", local')
    origin, settings = origin_and_settings(config)
    made = status(State.READY, settings, origin)
    assert made["publicLoadBalancer"] == {"ingress": [{"domainInternal": "gw.edge.svc.other.domain"}]}
    assert made["privateLoadBalancer"] == {"ingress": [{"meshOnly": True}]}


def targets(*servers, selector=(("istio", "gw"),), config="", text=INGRESS):
    known = world(text, GATEWAY + config)
    settings, _ = backend.settings(known)
    table = build(known, backend.ingress_class).ingresses[KEY]
    shared = {"spec": {"selector": dict(selector), "servers": list(servers)}}
    return probe_targets(table, settings, {("knative-serving", "knative-ingress-gateway"): shared}, known)


PLAIN = {"port": {"number": 80, "protocol": "HTTP"}}


def test_asks_the_ready_pods_for_the_first_host():
    pods = ("10.0.0.1", "10.0.0.2")
    assert targets(PLAIN) == (Target(pods, 8080, 80, "http://a.example.com:80"),)
    secure = {"port": {"number": 443, "protocol": "HTTPS"}}
    assert targets(secure) == (Target(pods, 8443, 443, "https://a.example.com:443"),)


@pytest.mark.parametrize(
    "server",
    [
        {**PLAIN, "tls": {"httpsRedirect": True}},
        {"port": {"number": 80, "protocol": "TCP"}},
        {"port": {"number": 81, "protocol": "HTTP"}},
        {},
    ],
    ids=["redirects", "another-protocol", "no-such-port", "empty"],
)
def test_asks_nobody(server):
    assert targets(server) == ()


def test_asks_nobody_without_labels_service_or_hosts():
    assert targets(PLAIN, selector=()) == ()
    assert targets(PLAIN, selector=(("istio", "other"),)) == ()
    assert targets(PLAIN, text=INGRESS.replace("[b.example.com, a.example.com]", "[a.123]")) == ()


def test_targets_without_ready_pods():
    known = world(INGRESS, GATEWAY)
    gone = replace(known, endpoint_slices={})
    settings, _ = backend.settings(known)
    table = build(known, backend.ingress_class).ingresses[KEY]
    shared = {
        ("knative-serving", "knative-ingress-gateway"): {
            "spec": {"selector": {"istio": "gw"}, "servers": [PLAIN]}
        }
    }
    assert probe_targets(table, settings, shared, gone) == ()
