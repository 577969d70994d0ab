"""How upstreams are reached that speak TLS: all with system-internal-tls, else the ports named https."""

from __future__ import annotations

import pytest

from kourier_worlds import render
from support import world

CA = """
apiVersion: v1
kind: Secret
metadata: {name: routing-serving-certs, namespace: knative-serving}
stringData: {ca.crt: authority}
---
"""
SWITCH = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-network, namespace: knative-serving}
data: {system-internal-tls: Enabled}
---
"""


def app(first: str, port: int, rewrite: str = "") -> str:
    """A revision's Service, whose first port is named `first`, and a KIngress that leads to `port`."""
    return f"""
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {{name: app, namespace: default}}
spec:
  rules:
  - hosts: [app.com]
    visibility: ExternalIP
    http:
      paths:
      - rewriteHost: "{rewrite}"
        splits: [{{serviceName: app, serviceNamespace: default, servicePort: {port}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: default}}
spec:
  ports:
  - {{name: {first}, port: 80, targetPort: 8012}}
  - {{name: https, port: 443, targetPort: 8112}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app, namespace: default, labels: {{kubernetes.io/service-name: app}}}}
addressType: IPv4
endpoints: [{{addresses: [10.0.0.1]}}]
ports: [{{name: {first}, port: 8012}}, {{name: https, port: 8112}}]
"""


def cluster(*texts: str):
    """(TLS, h2, ALPN protocols, name) of the application's cluster."""
    _, documents = render(world("".join(texts)))
    (made,) = [c for c in documents["clusters"] if c["name"].startswith("default/")]
    tls = made.get("transportSocket", {}).get("typedConfig", {}).get("commonTlsContext")
    protocols = tls.get("alpnProtocols", []) if tls else []
    return tls is not None, "http2ProtocolOptions" in str(made), protocols, made["name"]


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ((CA, app("http", 80)), (False, False, [], "default/app")),
        ((CA, app("http", 443)), (True, False, [], "default/app:443")),
        ((CA, app("http2", 443)), (True, True, ["h2"], "default/app:443")),
        ((CA, SWITCH, app("http", 80)), (True, False, [], "default/app")),
        ((CA, SWITCH, app("http2", 443)), (True, True, ["h2"], "default/app:443")),
        ((CA, app("http", 443, "inner")), (False, False, [], "default/app:443/plain")),
        ((CA, app("http", 80, "inner")), (False, False, [], "default/app")),
    ],
)
def test_a_port_named_https_speaks_tls_and_inside_it_what_the_service_speaks(texts, wanted):
    assert cluster(*texts) == wanted


def test_a_port_named_https_needs_a_ca():
    rendered, _ = render(world(app("http", 443)))
    assert rendered.left_out == {("default", "app")}
    assert [d.code for d in rendered.diagnostics] == ["KNET204"]
