"""The child KIngress that has Istio's gateways load endpoints: when there is one, and what it leads to."""

from __future__ import annotations

from knet.backends.istio import backend
from knet.backends.istio.loading import MARK, destinations, loading
from knet.routing.build import build
from support import world

KEY = ("default", "app")
INGRESS = """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  {name: app, namespace: default, uid: u, generation: 3, labels: {a: b},
   annotations: {networking.knative.dev/ingress-class: istio.ingress.networking.knative.dev}}
spec:
  rules:
  - hosts: [app.example.com]
    visibility: ExternalIP
    http:
      paths:
      - splits:
        - {serviceName: old, serviceNamespace: default, servicePort: 80, percent: 90}
        - {serviceName: new, serviceNamespace: default, servicePort: 80, percent: 10}
  - hosts: [app.default.svc.cluster.local]
    visibility: ClusterLocal
    http: {paths: [{rewriteHost: x.y, splits: [{serviceName: far, serviceNamespace: default, servicePort: 81}]}]}
"""


def child(*serving, text=INGRESS):
    found = build(world(text), backend.ingress_class).ingresses[KEY]
    return loading(found, serving)


def hosts(found):
    return [(r.hosts[0], r.visibility) for r in found.spec.rules]


def test_a_service_that_is_new_is_loaded_first_and_what_goes_stays_loaded():
    made = child(("old", 80, ""), ("far", 81, "x.y"), ("gone", 82, "z"))
    assert hosts(made) == [
        ("far.gen-3.app.default.knet.invalid", "ClusterLocal"),
        ("gone.gen-3.app.default.knet.invalid", "ClusterLocal"),
        ("gone.gen-3.app.default.knet.invalid", "ExternalIP"),
        ("new.gen-3.app.default.knet.invalid", "ExternalIP"),
        ("old.gen-3.app.default.knet.invalid", "ExternalIP"),
    ]
    paths = {r.hosts[0].split(".")[0]: r.http.paths[0] for r in made.spec.rules}
    assert (paths["far"].rewrite_host, paths["far"].splits[0].service_port) == ("x.y", 81)
    assert (paths["gone"].rewrite_host, paths["gone"].splits[0].service_port) == ("z", 82)
    assert not made.spec.tls


def test_it_belongs_to_its_parent_and_is_of_its_class():
    meta = child(("old", 80, "")).metadata
    assert (meta.namespace, meta.name, meta.labels) == ("default", "app--load", {"a": "b"})
    assert meta.annotations[MARK] == "true"
    assert meta.annotations["networking.knative.dev/ingress-class"] == backend.ingress_class
    assert [(o.uid, o.controller) for o in meta.owner_references] == [("u", True)]


def test_shares_alone_need_none_nor_does_the_first_time():
    everything = ("old", 80, ""), ("new", 80, ""), ("far", 81, "x.y")
    assert child(*everything) is None
    assert child(*everything, ("gone", 82, "")) is None
    assert child() is None


def test_where_virtual_services_lead():
    known = world(INGRESS)
    settings, _ = backend.settings(known)
    made = backend.render(build(known, backend.ingress_class), settings).objects
    specs = {o["metadata"]["name"]: o["spec"] for o in made}
    assert destinations(specs["app-mesh"]) == (("far", 81, "x.y"),)
    assert destinations(specs["app-ingress"]) == (("far", 81, "x.y"), ("new", 80, ""), ("old", 80, ""))
    assert destinations({}) == ()
