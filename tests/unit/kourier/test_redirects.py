"""httpOption Redirected: who is redirected, and who is not."""

from __future__ import annotations

import pytest

from evaluators import kourier
from kourier_worlds import ask, configured, ingress, render, rendered_of, rule, split
from strategies import make_world

TLS = [{"hosts": ["app.com"], "secretName": "app-cert", "secretNamespace": "default"}]
ACME = "/.well-known/acme-challenge/x"


@pytest.fixture
def redirected():
    made = ingress(rule("app.com"), rule("app.default", local=True), httpOption="Redirected", tls=TLS)
    return rendered_of(made)[1]


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (ask("app.com", "/x"), "redirect"),
        (ask("app.com", "/", local=True), "redirect"),
        (ask("app.com", scheme="https"), "forward"),
        (ask("app.default", local=True), "forward"),
        (ask("app.com", "/", ("X-Forwarded-Proto", "https")), "forward"),
        (ask("app.com", "/", ("X-Forwarded-Proto", "http"), scheme="https"), "forward"),
        (ask("app.default"), "not found"),
        (ask("app.default", "/", ("X-Knet-Scope", "int")), "not found"),
    ],
)
def test_outcomes(redirected, request_, outcome):
    assert kourier.evaluate(redirected, request_).outcome == outcome


def test_probes_are_answered(redirected):
    probe = ask("app.com", "/healthz", ("K-Network-Hash", "override"))
    assert kourier.evaluate(redirected, probe).outcome == "redirect"
    verdict = kourier.evaluate(redirected, probe, port=8090)
    assert len(dict(verdict.sent[0].headers)["k-network-hash"]) == 64


def test_one_flag_redirects_a_whole_host(redirected):
    host = next(h for h in redirected["routes"][0]["virtualHosts"] if "app.com" in h["domains"])
    assert host["requireTls"] == "ALL"
    assert not any("redirect" in r for r in host["routes"])


def test_unrouted_paths_stay_not_found():
    paths = [{"path": "/api", "splits": [split()]}]
    _, documents = rendered_of(ingress(rule("app.com", paths=paths), httpOption="Redirected"))
    assert kourier.evaluate(documents, ask("app.com", "/api/x")).outcome == "redirect"
    assert kourier.evaluate(documents, ask("app.com", "/other")).outcome == "not found"


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [({}, "redirect"), ({"extauthz-host": "a:1", "extauthz-protocol": "grpc"}, "forward")],
)
def test_challenges_are_redirected_unless_authorisation_is_on(settings, outcome):
    paths = [{"path": ACME, "splits": [split("app-00002")]}, {"splits": [split()]}]
    made = ingress(rule("app.com", paths=paths), httpOption="Redirected")
    _, documents = render(configured(make_world(made), settings))
    assert kourier.evaluate(documents, ask("app.com", ACME)).outcome == outcome
    assert kourier.evaluate(documents, ask("app.com", "/other")).outcome == "redirect"


def test_mixed_hosts_redirect_route_by_route_inside():
    local = rule("app.com", local=True, paths=[{"path": "/in", "splits": [split("app-00002")]}])
    _, documents = rendered_of(ingress(rule("app.com"), local, httpOption="Redirected"))
    assert kourier.evaluate(documents, ask("app.com", "/in", local=True)).outcome == "forward"
    assert kourier.evaluate(documents, ask("app.com", "/x", local=True)).outcome == "redirect"
