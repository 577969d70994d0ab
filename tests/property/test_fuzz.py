"""Whatever the input: findings, never a traceback, never a hang.

Golden YAML (where it is present) and seeds of our own, mutated as data and as text, and raw bytes, go
the whole way: load, validate, compose, check, render by every gateway, print.
"""

from __future__ import annotations

import copy
import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knet.backends import registry
from knet.cli import output
from knet.cli.common import Options, make
from knet.files import load
from knet.text import yaml
from support import CLASSES, GOLDEN

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
SEEDS = [
    """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: app, namespace: default, annotations: {networking.knative.dev/ingress-class: __CLASS__}}
spec:
  httpOption: Redirected
  tls: [{hosts: [app.example.com], secretName: cert, secretNamespace: default}]
  rules:
  - hosts: [app.example.com]
    visibility: ExternalIP
    http:
      paths:
      - path: /a
        headers: {Tag: {exact: v1}}
        rewriteHost: other.example.com
        appendHeaders: {X-A: b}
        splits:
        - {serviceNamespace: default, serviceName: app-1, servicePort: http, percent: 40, appendHeaders: {X-B: c}}
        - {serviceNamespace: default, serviceName: app-2, servicePort: 80, percent: 60}
---
apiVersion: v1
kind: Service
metadata: {name: app-1, namespace: default}
spec: {ports: [{name: http2, port: 80, targetPort: 8012, appProtocol: kubernetes.io/h2c}]}
---
apiVersion: v1
kind: Service
metadata: {name: app-2, namespace: default}
spec: {type: ExternalName, externalName: example.org, ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: app-1, namespace: default}
subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{name: http2, port: 8012}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: default}
type: kubernetes.io/tls
data: {tls.crt: eA==, tls.key: eA==}
""",
    """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template: {metadata: {name: hello-1}, spec: {timeoutSeconds: 9, containers: [{image: img}]}}
  traffic: [{revisionName: hello-1, percent: 90, tag: blue}, {latestRevision: true, percent: 10}]
---
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {name: shop.example.com}
spec: {ref: {kind: Service, name: hello, apiVersion: serving.knative.dev/v1}, tls: {secretName: cert}}
---
apiVersion: serving.knative.dev/v1
kind: Route
metadata: {name: route}
spec: {traffic: [{configurationName: conf, percent: 100}]}
---
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: {name: conf}
spec: {template: {spec: {containers: [{image: img}]}}}
---
apiVersion: serving.knative.dev/v1
kind: Revision
metadata: {name: conf-1, labels: {serving.knative.dev/configuration: conf}}
spec: {containers: [{image: img}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-network, namespace: knative-serving}
data: {domain-template: "{{.Name}}.{{.Namespace}}.{{.Domain}}", external-domain-tls: Enabled}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-kourier, namespace: knative-serving}
data: {stream-idle-timeout: 5s, cipher-suites: "a,b"}
""",
]
GOLDEN_FILES = sorted((GOLDEN / "kingress" / "inputs").glob("*.yaml"))[::9]
SEEDS += [path.read_text() for path in GOLDEN_FILES]
SEEDS += [path.read_text() for path in sorted((GOLDEN / "kingress" / "env").glob("*.yaml"))[::4]]

WEIRD = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        101,
        2**31,
        2**63,
        2**70,
        1.5,
        1e308,
        "",
        " ",
        "80",
        "-1",
        "99999999999",
        "\x00",
        "\n",
        "a" * 300,
        "é",
        "😀",
        "*",
        "*.x",
        "..",
        "a:b",
        "[::1]",
        "/",
        "%",
        "{{.",
        "9" * 5000,
        "a,b",
        "𝟠",
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"a": {"b": 1}},
        ["a"],
        [{}],
        "2030-01-01T00:00:00Z",
        "__CLASS__",
    ]
)


def paths(data, at=()):
    """Every place in plain data."""
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from paths(value, (*at, key))


@st.composite
def mutated_data(draw):
    documents = [d.data for d in yaml.load_all(draw(st.sampled_from(SEEDS)))]
    documents = copy.deepcopy(documents)
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from([p for p in paths(documents) if p]))
        target = documents
        for key in way:
            target = target[key]
        act = draw(st.sampled_from(["replace", "replace", "remove", "twice", "rename"]))
        if act == "replace":
            target[last] = draw(WEIRD)
        elif act == "twice" and isinstance(target, list):
            target.append(copy.deepcopy(target[last]))
        elif act == "rename" and isinstance(target, dict):
            target[draw(st.text(max_size=5))] = target.pop(last)
        elif not (target is documents and len(documents) == 1):
            del target[last]
        if not documents:
            break
    return yaml.dump_all(documents).encode(errors="surrogatepass")


@st.composite
def mutated_text(draw):
    text = draw(st.sampled_from(SEEDS)).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 2, 20, 400])))
        new = draw(
            st.sampled_from(
                [b"", b"\n", b"  ", b": ", b"- ", b"&a ", b"*a", b"<<: *a\n", b"---\n", b"{", b"[", b'"']
            )
        )
        text = text[:start] + (new or draw(st.binary(max_size=3))) + text[end:]
    return text


def go_all_the_way(content, lenient):
    loaded = load(["-"], stdin=content, jobs=1)
    found = list(loaded.diagnostics)
    backends, _ = registry.load_all()
    options = Options(lenient=lenient, assume_backends=lenient)
    for name, backend in backends.items():
        text = content.replace(b"__CLASS__", CLASSES.get(name, name).encode())
        mine = load(["-"], stdin=text, jobs=1) if text != content else loaded
        made = make(mine, backend, options, NOW)
        yaml.dump({"made": backend.documents(made.rendered)})
        found += made.diagnostics
    for diagnostic in found:
        assert diagnostic.message
        assert "\n" not in output.line(diagnostic)
    ordered = output.ordered(found)
    for form in (output.as_text, output.as_json, output.as_github, output.as_sarif):
        form(ordered)
    return loaded, found


bounded = settings(max_examples=40, deadline=20_000, suppress_health_check=[HealthCheck.too_slow])


@bounded
@given(mutated_data(), st.booleans())
def test_mutated_objects(content, lenient):
    go_all_the_way(content, lenient)


@bounded
@given(mutated_text(), st.booleans())
def test_mutated_text(content, lenient):
    go_all_the_way(content, lenient)


@settings(max_examples=100, deadline=20_000)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_raw_bytes_come_to_nothing_and_are_said(content):
    loaded, found = go_all_the_way(content, lenient=False)
    assert not loaded.objects
    # nothing but white space, comments and nulls is nothing to speak of
    if not found:
        assert all(item in (None, "") for item in everything(content))


def everything(content):
    try:
        return [d.data for d in yaml.load_all(content)]
    except yaml.YamlError:
        return ["broken"]


@pytest.mark.parametrize(
    "content",
    [
        b"&a [" + b"*a," * 9,
        b"a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\n" * 3,
        b"\n".join(
            b"k%d: &k%d [%s]" % (i, i, b",".join([b"*k%d" % (i - 1)] * 9) if i else b"x") for i in range(12)
        ),
        b"{" * 5000,
        b"- " * 5000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[" * 900 + b"]" * 900,
        b"? " * 500,
        b"--- " * 1000,
        b"a: !!python/object:os.system x\n",
    ],
)
def test_bombs_are_said_and_cost_little(content):
    _, found = go_all_the_way(content, lenient=False)
    assert found


def test_seeds_are_taken_as_they_are():
    for seed in SEEDS:
        loaded = load(["-"], stdin=seed.encode())
        assert [d for d in loaded.diagnostics if d.code < "KNET100"] == []
        assert loaded.objects
