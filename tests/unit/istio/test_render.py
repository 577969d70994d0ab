"""What a rendering holds as a whole: parts of it, what is shared, what is left out, and no secrets in text."""

from __future__ import annotations

import base64

from knet.backends.istio import backend
from knet.errors import ObjectRef
from knet.routing.build import build
from knet.text import json, yaml
from strategies import key_pair
from support import world

KINDS = ("VirtualService", "Gateway", "Secret")


def ingress(name: str, host: str, secret: str = "") -> str:
    tls = f"tls: [{{hosts: [{host}], secretName: {secret}, secretNamespace: default}}]" if secret else ""
    return f"""
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  {{name: {name}, namespace: default, uid: uid-{name},
   annotations: {{networking.knative.dev/ingress-class: istio.ingress.networking.knative.dev}}}}
spec:
  httpOption: Enabled
  {tls}
  rules:
  - hosts: [{host}]
    visibility: ExternalIP
    http: {{paths: [{{splits: [{{serviceName: app, serviceNamespace: default, servicePort: 80}}]}}]}}
---
"""


def secret(name: str, *hosts: str) -> str:
    chain, key = key_pair(name, hosts)
    data = {"tls.crt": chain, "tls.key": key}
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return yaml.dump({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}) + "---\n"


def rendered(*texts: str, changed=None):
    known = world("".join(texts))
    settings, _ = backend.settings(known)
    return backend.render(build(known, backend.ingress_class), settings, changed)


def names(made) -> list[tuple[str, str]]:
    return [(o["kind"], o["metadata"]["name"]) for o in made.objects]


TWO = (ingress("one", "one.example.com"), ingress("two", "two.example.com"))


def test_only_what_changed():
    whole = rendered(*TWO)
    part = rendered(*TWO, changed=frozenset({("default", "two"), ("default", "gone")}))
    assert names(part) == [("VirtualService", "two-ingress")]
    assert part.objects[0] == whole.objects[1]
    assert part.parents == {ObjectRef("VirtualService", "default", "two-ingress"): ("default", "two")}


def test_one_wildcard_gateway_and_copy_for_all():
    made = rendered(
        ingress("one", "one.example.com", "wild-render"),
        ingress("two", "two.example.com", "wild-render"),
        secret("wild-render", "*.example.com"),
    )
    shared = [n for kind, n in names(made) if kind == "Gateway" and n.startswith("wildcard-")]
    copies = [n for kind, n in names(made) if kind == "Secret"]
    assert len(shared) == 1
    assert copies == ["default--wild-render-wildcard"]
    assert len(names(made)) == len(set(names(made)))


def test_a_copy_has_all_that_the_secret_has():
    chain, key = key_pair("all-render", ("one.example.com",))
    data = {"tls.crt": chain, "tls.key": key, "ca.crt": "authority"}
    meta = {"name": "all-render", "namespace": "default", "uid": "u"}
    given = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": data}
    made = rendered(ingress("one", "one.example.com", "all-render"), yaml.dump(given))
    (copy,) = [o for o in made.objects if o["kind"] == "Secret"]
    assert copy["type"] == "Opaque"
    assert {k: base64.b64decode(v).decode() for k, v in copy["data"].items()} == data


def test_why_a_certificate_is_not_read_is_in_upstreams_words():
    def said(chain):
        meta = {"name": "s", "namespace": "default", "uid": "u"}
        given = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"tls.crt": chain}}
        made = rendered(ingress("one", "one.example.com", "s"), yaml.dump(given))
        (diagnostic,) = made.diagnostics
        return diagnostic.message

    nameless, _ = key_pair("nameless-render", ())
    assert said("text") == "failed to decode PEM data for secret default/s"
    block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert said(block) == "failed to parse certificate for secret default/s: x509: malformed certificate"
    assert said(nameless).startswith("certificate should have DNS names, but it has 0")


def test_a_missing_secret_is_told_before_a_bad_one():
    text = ingress("one", "one.example.com", "bad").replace(
        "secretNamespace: default}]",
        "secretNamespace: default}, {hosts: [one.example.com], secretName: gone, secretNamespace: default}]",
    )
    meta = {"name": "bad", "namespace": "default", "uid": "u"}
    bad = yaml.dump({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"tls.crt": "x"}})
    (diagnostic,) = rendered(text, bad).diagnostics
    assert diagnostic.message == 'secret "gone" not found'


def test_no_gateway_for_its_rules_means_the_mesh_alone():
    """A KIngress for outside where only inside has gateways gets no `-ingress` VirtualService."""
    data = {"external-gateways": "[]"}
    meta = {"name": "config-istio", "namespace": "knative-serving"}
    config = yaml.dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    outside = ingress("one", "one.example.com")
    assert rendered(outside, config).objects == ()
    inside = ingress("one", "one.default.svc.cluster.local").replace("ExternalIP", "ClusterLocal")
    assert names(rendered(inside, config)) == [
        ("VirtualService", "one-mesh"),
        ("VirtualService", "one-ingress"),
    ]


def test_a_path_without_splits_has_no_destinations_not_an_empty_list():
    one = "{splits: [{serviceName: app, serviceNamespace: default, servicePort: 80}]}"
    (made,) = rendered(ingress("one", "one.example.com").replace(one, "{splits: []}")).objects
    assert [sorted(r) for r in made["spec"]["http"]] == [
        ["headers", "match", "retries"],
        ["match", "retries"],
    ]


def test_no_secret_in_documents():
    _, key = key_pair("plain-render", ("one.example.com",))
    made = rendered(
        ingress("one", "one.example.com", "plain-render"), secret("plain-render", "one.example.com")
    )
    (held,) = [o for o in made.objects if o["kind"] == "Secret"]
    (shown,) = [o for o in backend.documents(made) if o["kind"] == "Secret"]
    assert shown["data"].keys() == held["data"].keys()
    assert all(value.startswith("sha256:") for value in shown["data"].values())
    assert held["data"]["tls.key"] not in json.dumps(backend.documents(made)).decode()
    assert key.splitlines()[1] not in json.dumps(backend.documents(made)).decode()


def test_a_missing_secret_costs_its_own_ingress_only():
    made = rendered(TWO[0], ingress("two", "two.example.com", "gone"))
    assert names(made) == [("VirtualService", "one-ingress")]
    assert made.left_out == {("default", "two")}
    (said,) = made.diagnostics
    assert (said.code, said.field, said.gateway) == ("KNET204", "spec.tls[0].secretName", "istio")


def test_a_certificate_that_cannot_be_read_too():
    broken = secret("broken", "two.example.com").replace("BEGIN CERTIFICATE", "BEGIN SOMETHING")
    made = rendered(TWO[0], ingress("two", "two.example.com", "broken"), broken)
    assert made.left_out == {("default", "two")}
    assert [d.code for d in made.diagnostics] == ["KNET104"]
