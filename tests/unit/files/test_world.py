"""What was read becomes a World, and findings about it get their places."""

from __future__ import annotations

from knet import checks
from knet.errors import ObjectRef
from knet.files import compose, load, locate

TEXT = """\
apiVersion: v1
kind: Endpoints
metadata: {name: a, namespace: ns}
subsets:
- addresses: [{ip: 10.0.0.1}, {ip: "fd00::1"}]
  notReadyAddresses: [{ip: 10.0.0.2}]
  ports: [{name: http, port: 8012}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: b, namespace: ns}
subsets: [{addresses: [{ip: 10.0.0.9}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: b-1, namespace: ns, labels: {kubernetes.io/service-name: b}}
endpoints: [{addresses: [10.0.0.3]}]
---
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: i, namespace: ns}
spec:
  rules:
  - hosts: [a.example.com]
    http:
      paths:
      - splits:
        - {serviceNamespace: ns, serviceName: gone, servicePort: 80, percent: 90}
"""


def test_endpoints_stand_in_where_there_are_no_slices():
    world = compose(load(["-"], stdin=TEXT.encode())).world
    made = world.endpoint_slices["ns", "a"]
    assert [(s.address_type, [(e.addresses, e.conditions.ready) for e in s.endpoints]) for s in made] == [
        ("IPv4", [(("10.0.0.1",), True), (("10.0.0.2",), False)]),
        ("IPv6", [(("fd00::1",), True)]),
    ]
    assert [e.addresses for s in world.endpoint_slices["ns", "b"] for e in s.endpoints] == [("10.0.0.3",)]


def test_invalid_kingresses_are_left_out_unless_lenient():
    loaded = load(["-"], stdin=TEXT.encode())
    assert not compose(loaded).world.ingresses
    assert list(compose(loaded, lenient=True).world.ingresses) == [("ns", "i")]


def test_backends_can_be_assumed():
    loaded = load(["-"], stdin=TEXT.encode())
    assert not compose(loaded, lenient=True).world.implied
    assert compose(loaded, lenient=True, assume_backends=True).world.implied == {("ns", "gone")}


def test_findings_get_the_place_of_their_field():
    loaded = load(["-"], stdin=TEXT.encode())
    about = ObjectRef("Ingress", "ns", "i")
    fields = ["spec.rules[0].http.paths[0].splits[0].serviceName", "spec.rules[0].hosts[0]", "spec.nope", ""]
    found = [checks.MISSING_BACKEND("m", about=about, field=f) for f in fields]
    found.append(checks.MISSING_BACKEND("m", about=ObjectRef("Ingress", "ns", "other"), field="spec"))
    spots = [d.source and (d.source.line, d.source.column) for d in locate(found, loaded)]
    assert spots == [(28, 34), (24, 13), (22, 1), (19, 1), None]


def test_findings_about_a_compiled_kingress_point_at_what_it_comes_from():
    text = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: hello\nspec:\n  type: x\n"
    loaded = load(["-"], stdin=text)
    made, parent = ObjectRef("Ingress", "default", "hello"), ObjectRef("Service", "default", "hello")
    fields = ["spec.rules[0].http.paths[0].splits[0].serviceName", "spec.rules[0].hosts[0]", "spec.tls"]
    found = [checks.MISSING_BACKEND("m", about=made, field=f) for f in fields]
    assert [d.source.line for d in locate(found, loaded, {made: parent})] == [5, 4, 3]
