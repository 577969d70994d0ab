"""The gateway's own resources: listeners, certificates for the rest, status."""

from __future__ import annotations

import pytest

from evaluators import kourier
from knet.routing.world import World
from kourier_worlds import ask, configured, ingress, render, rendered_of, rule
from strategies import make_world

APP = {"hosts": ["app.com"], "secretName": "app-cert", "secretNamespace": "default"}
INNER = {"hosts": ["app.default"], "secretName": "shop-cert", "secretNamespace": "default"}


def listeners(documents):
    return {x["name"]: x for x in documents["listeners"]}


def test_an_empty_world_listens_and_says_that_it_is_ready():
    _, documents = render(World())
    assert list(listeners(documents)) == ["listener_8080", "listener_8081", "listener_8090"]
    assert (
        kourier.evaluate(documents, ask("internalkourier", "/ready", local=True)).outcome == "direct response"
    )
    assert kourier.evaluate(documents, ask("internalkourier", "/ready")).outcome == "not found"


def test_tls_listeners_come_with_certificates():
    made = ingress(rule("app.com"), rule("app.default", local=True), tls=[APP, INNER])
    _, documents = render(configured(make_world(made), {"enable-proxy-protocol": "true"}))
    found = listeners(documents)
    assert list(found) == [f"listener_{p}" for p in (8080, 8081, 8090, 8443, 8444, 9443)]
    proxied = [n for n, x in found.items() if "proxy_protocol" in str(x.get("listenerFilters"))]
    assert proxied == ["listener_8080", "listener_8443"]


def test_a_host_in_two_secrets_has_the_first():
    second = APP | {"secretName": "shop-cert"}
    rendered, documents = rendered_of(ingress(rule("app.com"), tls=[APP, second]))
    chains = listeners(documents)["listener_8443"]["filterChains"]
    assert [c["name"] for c in chains] == ["default/app-cert"]
    assert [d.code for d in rendered.diagnostics] == ["KNET332"]


def test_a_host_that_another_owns_brings_no_certificate():
    old = ingress(rule("app.com"), name="old", created="2026-01-01T00:00:00Z")
    young = ingress(rule("app.com"), name="young", created="2026-01-02T00:00:00Z", tls=[APP])
    _, documents = rendered_of(old, young)
    assert kourier.evaluate(documents, ask("app.com", scheme="https")).outcome == "no certificate"


@pytest.mark.parametrize("cryptomb", ["true", "false"])
def test_the_default_certificate_serves_the_rest(cryptomb):
    data = {
        "certs-secret-name": "shop-cert",
        "certs-secret-namespace": "default",
        "enable-cryptomb": cryptomb,
    }
    made = ingress(rule("app.com", "b.com"), tls=[APP])
    _, documents = render(configured(make_world(made, ingress(rule("c.com"), name="c")), data))
    chains = listeners(documents)["listener_8443"]["filterChains"]
    assert chains[-1]["name"].startswith("default/shop-cert")
    assert "filterChainMatch" not in chains[-1]
    assert kourier.evaluate(documents, ask("c.com", scheme="https")).outcome == "forward"
    secret = next(s for s in documents["secrets"] if s["name"] == chains[-1]["name"])
    assert ("privateKeyProvider" in secret["tlsCertificate"]) is (cryptomb == "true")


def test_secrets_show_only_hashes():
    _, documents = rendered_of(ingress(rule("app.com"), tls=[APP]))
    secret = documents["secrets"][0]["tlsCertificate"]
    for part in ("certificateChain", "privateKey"):
        assert secret[part]["inlineBytes"].startswith("sha256:")
    assert "BEGIN" not in str(documents)
