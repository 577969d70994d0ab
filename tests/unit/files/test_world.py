"""What was read becomes a World, and findings about it get their places."""

from __future__ import annotations

import subprocess
import sys

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


SERVING = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
  namespace: ns
spec:
  template:
    spec:
      timeoutSeconds: 120
      containers: [{image: example.com/hello}]
  traffic:
  - percent: 100
    latestRevision: true
"""
CLASS = "contour.ingress.networking.knative.dev"


def test_knative_objects_are_compiled_for_a_class_and_lead_back_to_what_made_them():
    loaded = load(["-"], stdin=SERVING.encode())
    composed = compose(loaded, CLASS)
    ((key, ingress),) = composed.world.ingresses.items()
    assert (key, ingress.ingress_class) == (("ns", "hello"), CLASS)
    assert composed.compiled == composed.world.ingresses
    assert ("ns", "hello-00001") in composed.world.implied
    found = [checks.MISSING_BACKEND("m", about=ingress.ref, field="spec.rules[0].http.paths[0].splits[0]")]
    assert [d.source.line for d in locate(found, loaded, composed.parents)] == [11]
    assert composed.patience == (
        (ObjectRef("Service.serving.knative.dev", "ns", "hello"), "spec.template.spec.timeoutSeconds", 120),
    )


def test_the_latest_revision_can_be_named():
    loaded = load(["-"], stdin=SERVING.encode())
    composed = compose(loaded, CLASS, revision_names={"hello": "hello-v7"})
    assert ("ns", "hello-v7") in composed.world.implied


def test_a_kingress_that_is_written_wins_even_when_it_is_invalid():
    written = TEXT.replace("{name: i, namespace: ns}", "{name: hello, namespace: ns}")
    loaded = load(["-"], stdin=(written + "---\n" + SERVING).encode())
    composed = compose(loaded, CLASS)
    assert not composed.world.ingresses
    assert [(d.code, d.about.name) for d in composed.diagnostics] == [("KNET009", "hello")]
    lenient = compose(loaded, CLASS, lenient=True)
    assert [i.spec.rules[0].hosts for i in lenient.world.ingresses.values()] == [("a.example.com",)]


def test_faults_of_knative_objects_stand_where_they_were_written():
    loaded = load(["-"], stdin=SERVING.replace("percent: 100", "percent: 90").encode())
    composed = compose(loaded, CLASS)
    assert not composed.world.ingresses
    (found,) = locate(composed.diagnostics, loaded, composed.parents)
    assert (found.severity, found.source.line) == ("error", 11)


def test_what_is_not_there_is_not_imported():
    code = (
        "import sys; from knet.files import compose, load\n"
        "compose(load(['-'], stdin=b''))\n"
        "print(any(m.startswith('knet.serving') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
