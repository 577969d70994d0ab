"""Documents to typed objects, each with its place, and everything wrong with them at once."""

from __future__ import annotations

import json

import pytest

from knet.errors import ObjectRef
from knet.files import Cache, load
from knet.model import core, kingress
from knet.text import yaml

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n"


def read(text, **more):
    content = text if isinstance(text, bytes) else text.encode()
    return load(["-"], stdin=content, **more)


def said(text):
    return [str(d).removeprefix("<stdin>:") for d in read(text).diagnostics]


def test_objects_have_their_refs_and_places():
    loaded = read("# shop\n---\n" + SERVICE.format("a") + "---\n" + SERVICE.format("b"))
    assert [(str(ref), p.line) for ref, p in loaded.sources.items()] == [
        ("Service default/a", 3),
        ("Service default/b", 8),
    ]
    assert loaded.of(core.Service)[1].metadata.namespace == "default"


def test_other_kinds_are_counted_and_passed_over():
    text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\n---\napiVersion: apps/v1\nkind: Deployment\n"
    assert dict(read(text + "---\n" + text).passed_over) == {
        "Ingress.networking.k8s.io": 2,
        "Deployment.apps": 2,
    }
    assert said(text) == []


def test_lists_unfold_and_their_items_are_found():
    bad = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: b\n    labels: [x]"
    loaded = read(bad)
    assert list(loaded.objects) == [ObjectRef("Service", "default", "a")]
    assert said(bad) == [
        (
            "11:5: error KNET006: Service default/b: metadata.labels: must be a mapping, not a list "
            "(write it without the dash)"
        )
    ]


def test_items_of_a_typed_list_need_no_kind():
    text = json.dumps({"apiVersion": "v1", "kind": "ServiceList", "items": [{"metadata": {"name": "a"}}]})
    assert list(read(text).objects) == [ObjectRef("Service", "default", "a")]


@pytest.mark.parametrize("form", ["\n", "\n\n", " "])
def test_json_files_hold_one_value_or_several(form):
    one = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": None}}
    two = one | {"metadata": {"name": "b"}}
    assert len(read(json.dumps(one) + form + json.dumps(two)).objects) == 2


def test_json_takes_tabs_and_says_where():
    text = '{\n\t"apiVersion": "v1",\n\t"kind": "Service",\n\t"metadata": {\n\t\t"name": 5\n\t}\n}\n'
    assert said(text)[0].startswith(
        "5:3: error KNET006: Service default/5: metadata.name: must be text, not 5"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [", "2:1: error KNET002: did not find expected node content"),
        ("a: 1\nb: 2\na: 3\n", '3:1: error KNET003: key "a" is written twice'),
        ('{"a": 1, "a": 2}', '1:10: error KNET003: key "a" is written twice'),
        ('{"a": 1.}', "1:1: error KNET004"),
        ('{"a": 01x, }', "error KNET004"),
        (b"a: 1\nb: \xff\n", "2:1: error KNET002: not UTF-8: byte 0xff"),
        ("- 1\n", "1:1: error KNET004: this is a list, not an object"),
        ("just text\n", "1:1: error KNET004: this is a text, not an object"),
        ("kind: Service\n", "1:1: error KNET004: apiVersion is missing"),
        ("apiVersion: v1\nkind: 7\n", "1:1: error KNET004: kind is a number, not text"),
        ("apiVersion: v1\nkind: Service\n", "1:1: error KNET004: Service has no metadata.name (name it)"),
        ("apiVersion: v1\nkind: Service\nmetadata: {generateName: x-}\n", "3:1: error KNET004"),
        ("[" * 3000, "error KNET002"),
        ('{"a":' * 3000, "error KNET002"),
    ],
)
def test_what_cannot_be_read(text, wanted):
    found = said(text)
    assert len(found) == 1
    assert wanted in found[0]


def test_a_broken_document_costs_only_itself():
    text = (
        SERVICE.format("a")
        + "---\na: [\n---\n"
        + SERVICE.format("b")
        + "---\nx: y: z\n---\n"
        + SERVICE.format("c")
    )
    loaded = read(text)
    assert [ref.name for ref in loaded.objects] == ["a", "b", "c"]
    assert [(d.code, d.source.line) for d in loaded.diagnostics] == [("KNET002", 7), ("KNET002", 13)]
    assert loaded.sources[ObjectRef("Service", "default", "c")].line == 15


KINGRESS = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: a}
spec:
  ruls: []
  rules:
  - hosts: a.b
    visibility: Foo
    http:
      paths:
      - splits:
        - serviceName: x
          servicePort: [1]
          percent: "80"
          appendHeaders: {X-A: 5}
"""


def test_every_field_that_does_not_fit_is_named_as_knative_spells_it():
    at = "Ingress default/a: spec.rules[0]"
    assert said(KINGRESS) == [
        '5:3: error KNET005: Ingress default/a: spec.ruls: unknown field "ruls" (did you mean rules?)',
        f'7:5: error KNET006: {at}.hosts: must be a list, not "a.b" (begin each item with a dash)',
        (
            f'8:5: error KNET006: {at}.visibility: must be one of "", "ExternalIP" or "ClusterLocal", not "Foo" '
            '(write one of "", "ExternalIP" or "ClusterLocal")'
        ),
        (
            f"13:11: error KNET006: {at}.http.paths[0].splits[0].servicePort: must be a whole number or text, "
            "not a list (write a whole number or text)"
        ),
        (
            f'14:11: error KNET006: {at}.http.paths[0].splits[0].percent: must be a whole number, not "80" '
            "(write it without quotes)"
        ),
        (
            f"15:27: error KNET006: {at}.http.paths[0].splits[0].appendHeaders[X-A]: must be text, not 5 "
            "(put it in quotes)"
        ),
    ]


def test_secrets_are_never_shown():
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {tls.key: 4711, tls.crt: [geheim]}\n"
    found = said(text)
    assert len(found) == 2
    assert not any("4711" in s or "geheim" in s for s in found)
    held = read("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {tls.key: geheim}\n")
    assert "geheim" not in repr(held)


def test_versions_that_are_not_read_and_kinds_that_are_misspelt_are_said():
    old = "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: s}\n"
    assert said(old)[0].startswith(
        "1:1: warning KNET008: apiVersion: EndpointSlice discovery.k8s.io/v1beta1 is passed over"
    )
    slip = "apiVersion: networking.internal.knative.dev/v1alpha1\nkind: ingress\n"
    assert said(slip)[0].endswith("is passed over (did you mean Ingress?)")
    assert said("apiVersion: networking.internal.knative.dev/v1alpha1\nkind: Certificate\n") == []


def test_the_first_of_two_objects_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(SERVICE.format("x") + "spec: {externalName: first}\n")
    (tmp_path / "b.yaml").write_text("\n" + SERVICE.format("x") + "spec: {externalName: second}\n")
    loaded = load(["."])
    assert loaded.of(core.Service)[0].spec.external_name == "first"
    assert [str(d) for d in loaded.diagnostics] == [
        (
            "b.yaml:5:3: error KNET007: Service default/x: metadata.name: it stands at a.yaml:1 already, and that "
            "one counts (remove one of the two)"
        )
    ]


def test_stray_yaml_in_a_directory_is_counted_and_in_a_file_that_is_named_an_error(tmp_path):
    (tmp_path / "values.yaml").write_text("replicas: 3\n")
    stray = load([str(tmp_path)])
    assert not stray.diagnostics
    assert stray.passed_over == {"other YAML": 1}
    assert [d.severity for d in load([str(tmp_path / "values.yaml")]).diagnostics] == ["error"]


INVALID = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: a, namespace: ns}
spec:
  rules:
  - hosts: ["a.example.com:80", "a..b", ok.example.com]
    http:
      paths:
      - splits:
        - {serviceNamespace: ns, serviceName: x, servicePort: 80, percent: 50}
        - {serviceNamespace: ns, serviceName: z, servicePort: 99999, percent: 40}
"""


def test_validation_speaks_for_each_path_and_marks_the_object():
    loaded = read(INVALID)
    assert [(d.code, d.severity.value, d.source.line) for d in loaded.diagnostics] == [
        ("KNET102", "warning", 6),
        ("KNET102", "error", 6),
        ("KNET101", "error", 9),
        ("KNET105", "error", 11),
    ]
    assert loaded.invalid == {ObjectRef("Ingress", "ns", "a")}
    assert len(loaded.of(kingress.KIngress)) == 1


def test_a_host_with_a_port_alone_leaves_nothing_out():
    text = INVALID.replace('"a..b", ', "").replace("99999", "80").replace("40", "50")
    loaded = read(text)
    assert [d.code for d in loaded.diagnostics] == ["KNET102"]
    assert not loaded.invalid


def test_equal_contents_are_read_once(tmp_path, monkeypatch):
    from knet.files import parallel

    seen = []
    real = parallel.read_all
    monkeypatch.setattr(
        parallel, "read_all", lambda files, *a: seen.append([f.name for f in files]) or real(files, *a)
    )
    for name, body in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / f"{name}.yaml").write_text(SERVICE.format(body))
    cache = Cache()
    first = load([str(tmp_path)], cache=cache)
    (tmp_path / "c.yaml").write_text(SERVICE.format("z"))
    second = load([str(tmp_path)], cache=cache)
    assert [len(s) for s in seen] == [2, 1]
    name = ObjectRef("Service", "default", "x")
    assert first.objects[name] is second.objects[name]


def test_progress_hears_all_bytes(tmp_path):
    heard = []
    (tmp_path / "a.yaml").write_text(SERVICE.format("a"))
    load([str(tmp_path)], progress=lambda done, total: heard.append((done, total)))
    size = len(SERVICE.format("a"))
    assert heard == [(size, size)]


def test_a_services_cluster_ip_is_read():
    loaded = read(SERVICE.format("a") + "spec: {clusterIP: 10.0.0.1}\n")
    assert loaded.of(core.Service)[0].spec.cluster_ip == "10.0.0.1"


def test_a_document_is_composed_once_for_all_its_findings(monkeypatch):
    items = "".join(
        f"- {{apiVersion: v1, kind: Service, metadata: {{name: s{i}, x: 1}}}}\n" for i in range(50)
    )
    text = "apiVersion: v1\nkind: List\nitems:\n" + items
    seen = []
    real = yaml._nodes
    monkeypatch.setattr(yaml, "_nodes", lambda content: seen.append(1) or real(content))
    assert [d.source.line for d in read(text).diagnostics] == list(range(4, 54))
    assert len(seen) == 2
