"""What upstreams speak inside TLS (system-internal-tls)."""

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
        ((CA, app("http", 443)), (False, False, [], "default/app:443")),
        ((CA, SWITCH, app("http", 80)), (True, False, [], "default/app")),
        ((CA, SWITCH, app("http", 443)), (True, False, [], "default/app:443")),
        ((CA, SWITCH, app("http2", 443)), (True, True, ["h2"], "default/app:443")),
        ((CA, SWITCH, app("http2", 443, "inner")), (False, True, [], "default/app:443/plain")),
    ],
)
def test_inside_tls_a_port_speaks_what_the_service_speaks(texts, wanted):
    """gRPC with system-internal-tls: Serving leads to the port https of a Service whose other one is http2."""
    assert cluster(*texts) == wanted
