"""Whom a prober asks besides those that net-istio asks: the pods for inside, and the certificates."""

from __future__ import annotations

import pytest

from knet.backends.istio import backend
from knet.backends.istio.targets import Target, more_targets, probe_targets
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
  tls: [{hosts: [a.example.com, b.example.com, 0.example.com], secretName: s, secretNamespace: default}]
  rules:
  - hosts: [b.example.com, a.example.com]
    visibility: ExternalIP
    http: {paths: [{splits: [{serviceName: app, serviceNamespace: default, servicePort: 80}]}]}
  - hosts: [app.default.svc.cluster.local]
    visibility: ClusterLocal
    http: {paths: [{splits: [{serviceName: app, serviceNamespace: default, servicePort: 80}]}]}
---
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Service
metadata: {name: knative-local-gateway, namespace: istio-system}
spec: {ports: [{name: http2, port: 80, targetPort: 8081}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: istio-ingressgateway, namespace: istio-system}
subsets:
- addresses: [{ip: 10.0.0.1}]
  ports: [{name: http2, port: 8080}, {name: https, port: 8443}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: knative-local-gateway, namespace: istio-system}
subsets:
- addresses: [{ip: 10.0.0.1}]
  ports: [{name: http2, port: 8081}]
---
"""
OUTER = Target(("10.0.0.1",), 8080, 80, "http://a.example.com:80")
INNER = Target(("10.0.0.1",), 8081, 8081, "http://app.default:8081")
SECURE = Target(("10.0.0.1",), 8443, 443, "https://a.example.com:443")


def gateway(number):
    server = {"port": {"number": number, "protocol": "HTTP"}}
    return {"spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]}}


GATEWAYS = {
    ("knative-serving", "knative-ingress-gateway"): gateway(80),
    ("knative-serving", "knative-local-gateway"): gateway(8081),
}


def asked(function, services=SERVICES, ingress=INGRESS):
    known = world(ingress, services)
    settings, _ = backend.settings(known)
    table = build(known, backend.ingress_class).ingresses[KEY]
    return function(table, settings, GATEWAYS, known)


def test_inside_is_asked_through_the_configured_service_and_certificates_over_https():
    assert asked(probe_targets) == (OUTER,)
    assert asked(more_targets) == (INNER, SECURE)


def test_a_gateway_whose_labels_lead_to_its_pods_is_asked_once():
    labelled = SERVICES.replace(
        "knative-local-gateway, namespace: istio-system}",
        "knative-local-gateway, namespace: istio-system, labels: {istio: ingressgateway}}",
        1,
    ).replace("port: 80, targetPort: 8081", "port: 8081, targetPort: 8081")
    assert asked(probe_targets, labelled) == (OUTER, INNER)
    assert asked(more_targets, labelled) == (SECURE,)


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("targetPort: 8081", "targetPort: http", (SECURE,)),
        ("port: 443", "port: 444", (INNER,)),
    ],
    ids=["named-target-port", "no-https"],
)
def test_what_no_port_leads_to_is_not_asked(old, new, left):
    assert asked(more_targets, SERVICES.replace(old, new)) == left


def test_without_certificates_nobody_is_asked_over_https():
    plain = "\n".join(line for line in INGRESS.splitlines() if "tls:" not in line)
    assert asked(more_targets, ingress=plain) == (INNER,)
