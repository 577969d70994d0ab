"""`knet explain` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from knet.backends import registry
from knet.backends.decided import Decided
from knet.cli.main import cli
from knet.routing.match import Outcome

INGRESS = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: hello
  namespace: default
  annotations: {networking.knative.dev/ingress.class: kourier.ingress.networking.knative.dev}
spec:
  rules:
  - hosts: [hello.example.com]
    visibility: ExternalIP
    http:
      paths:
      - headers: {Knative-Serving-Tag: {exact: canary}}
        splits: [{serviceNamespace: default, serviceName: hello-00002, servicePort: 80, percent: 100}]
      - appendHeaders: {X-A: one}
        splits:
        - {serviceNamespace: default, serviceName: hello-00001, servicePort: 80, percent: 90}
        - {serviceNamespace: default, serviceName: hello-00002, servicePort: 80, percent: 10}
  - hosts: [hello.default.svc.cluster.local]
    visibility: ClusterLocal
    http:
      paths:
      - splits: [{serviceNamespace: default, serviceName: hello-00001, servicePort: 80, percent: 100}]
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = tmp_path / "hello.yaml"
    made.write_text(INGRESS)
    return str(made)


def run(*arguments: str):
    return CliRunner().invoke(cli, ["explain", *arguments, "--gateway", "kourier", "--assume-backends"])


def test_the_rule_the_shares_the_reasons_and_the_gateway(path):
    result = run("http://hello.example.com/api", "-f", path)
    assert result.exit_code == 0, result.output
    for said in (
        f"by Ingress default/hello  {path}:16:9",
        "hello-00001 90 %",
        "hello-00002 10 %",
        "sets x-a: one",
        "/ [Knative-Serving-Tag: canary]  header Knative-Serving-Tag is absent",
        "kourier  agrees  hello-00001 90 %, hello-00002 10 %",
    ):
        assert said in result.stdout
    assert "(probe)" not in result.stdout


def test_headers_are_heard(path):
    body = json.loads(
        run("hello.example.com", "-H", "knative-serving-tag: canary", "-f", path, "-o", "json").stdout
    )
    assert [s["service"] for s in body["decision"]["sent"]] == ["hello-00002"]
    assert body["gateways"]["kourier"]["agrees"] is True
    assert [c["taken"] for c in body["considered"]] == [True]


def test_a_host_that_is_served_inside_alone_is_asked_for_inside(path):
    result = run("http://hello.default.svc.cluster.local", "-f", path)
    assert result.exit_code == 0
    assert "where alone the host is served" in result.stdout
    assert run("http://hello.default.svc.cluster.local", "-f", path, "--visibility", "ext").exit_code == 1


@pytest.mark.parametrize("url", ["http://nobody.example.com", "https://hello.example.com"])
def test_nobody_takes_it(path, url):
    assert run(url, "-f", path).exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [("ftp://x",), ("http://",), ("http://a:99999",), ("http://a", "-H", "nonsense")],
)
def test_what_is_no_request(path, arguments):
    assert run(*arguments, "-f", path).exit_code == 2


def test_a_gateway_that_differs_is_3(path, monkeypatch):
    backend = registry.load("kourier")
    monkeypatch.setattr(type(backend), "decide", lambda *_: Decided(Outcome.NOT_FOUND, by="lost"))
    result = run("http://hello.example.com", "-f", path)
    assert result.exit_code == 3
    assert "kourier  differs  not found" in result.stdout
    assert "KNET454" in result.stderr


def test_probes_are_shown_on_request(path):
    assert "(probe)" in run("http://hello.example.com", "-f", path, "--probes").stdout
