"""What a DomainMapping says and makes, step by step: claim, certificate, target, KIngress."""

from __future__ import annotations

import hashlib

import pytest

from knet.model import domainmapping
from knet.model.network import NetworkConfig
from knet.model.network_certificate import HTTP01Challenge
from knet.serving.domainmapping import RefError, backend
from knet.serving.domainmapping_status import MappingWorld, reconcile
from knet.serving.settings import Settings
from unit.serving.revisions import conditions, said

NOW = "2026-01-01T00:00:00Z"
URI = "http://app.default.svc.cluster.local"


def mapping(annotations=None, name="www.example.com", **status):
    return domainmapping.parse(
        {
            "metadata": {
                "name": name,
                "namespace": "default",
                "uid": "u",
                "generation": 2,
                "annotations": annotations or {},
            },
            "spec": {"ref": {"kind": "Service", "name": "app", "apiVersion": "serving.knative.dev/v1"}},
            "status": status,
        }
    )


def world(*, claim="default", uri=URI, certificate=None, **network):
    return MappingWorld(
        Settings(network=NetworkConfig(**network)), uri=uri, claim=claim, certificate=certificate
    )


def told(out):
    return {c["type"]: (c["status"], c.get("reason", "")) for c in out.status["conditions"]}


def test_no_certificate_is_ordered_for_a_domain_of_somebody_else():
    out = reconcile(mapping(), world(claim="other", external_domain_tls=True), NOW)
    assert out.error == 'namespace "default" does not own ClusterDomainClaim for "www.example.com"'
    assert out.certificate is None
    assert told(out)["DomainClaimed"] == ("False", "DomainAlreadyClaimed")
    assert told(out)["ReferenceResolved"] == ("Unknown", "")


def test_a_domain_is_not_claimed_unless_that_is_allowed():
    out = reconcile(mapping(), world(claim=None), NOW)
    assert out.error.endswith("(and autocreate-cluster-domain-claims property is not true)")
    assert out.claim is None


def test_a_new_generation_that_fails_is_not_configured():
    ready = [{"type": t, "status": "True"} for t in ("IngressReady", "DomainClaimed", "Ready")]
    out = reconcile(mapping(observedGeneration=1, conditions=ready), world(claim="other"), NOW)
    assert told(out)["IngressReady"] == ("Unknown", "IngressNotConfigured")


def test_a_target_that_is_not_there_is_a_failure():
    out = reconcile(
        mapping(), MappingWorld(Settings(), unresolved='services "app" not found', claim="default"), NOW
    )
    assert out.error == 'services "app" not found'
    assert told(out)["ReferenceResolved"] == ("False", "ResolveFailed")


def test_a_certificate_of_ones_own_is_taken_as_it_is():
    given = mapping()
    spec = given.spec.model_copy(update={"tls": domainmapping.SecretTLS(secret_name="mine")})
    out = reconcile(given.model_copy(update={"spec": spec}), world(external_domain_tls=True), NOW)
    assert told(out)["CertificateProvisioned"] == ("True", "CertificateExternallyProvided")
    assert (out.status["url"], out.certificate) == ("https://www.example.com", None)


def test_a_kingress_without_a_word_on_ready_is_not_configured():
    first = reconcile(mapping(), world(), NOW)
    there = first.ingress.model_copy(update={"status": {"observedGeneration": 0}})
    seen = MappingWorld(Settings(), uri=URI, claim="default", ingress=there)
    assert told(reconcile(mapping(), seen, NOW))["IngressReady"] == ("Unknown", "IngressNotConfigured")


@pytest.mark.parametrize(("protocol", "scheme"), [("enabled", "http"), ("redirected", "https")])
def test_the_url_while_a_certificate_is_awaited(protocol, scheme):
    out = reconcile(mapping(), world(external_domain_tls=True, http_protocol=protocol), NOW)
    assert out.status["url"] == f"{scheme}://www.example.com"


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        (None, ("Unknown", "Certificate www.example.com is not ready.")),
        (("Unknown", "Pending", "asked"), ("Unknown", "Certificate www.example.com is not ready: asked")),
        (("False", "Bad", ""), ("False", "Certificate www.example.com failed to be provisioned.")),
        (("False", "Bad", "no"), ("False", "Certificate www.example.com failed to be provisioned: no")),
    ],
)
def test_why_a_certificate_is_awaited(ready, words):
    tls = {"external_domain_tls": True, "http_protocol": "redirected"}
    made = reconcile(mapping(), world(**tls), NOW).certificate
    there = made.model_copy(update={"status": {"conditions": conditions(Ready=ready)}}) if ready else None
    status = reconcile(mapping(), world(**tls, certificate=there), NOW).status
    assert said(status, "CertificateProvisioned")[::2] == words


def test_challenges_are_in_the_order_of_their_urls():
    made = reconcile(mapping(), world(external_domain_tls=True), NOW).certificate
    urls = [f"http://{host}.example.com/.well-known/acme-challenge/x" for host in ("b", "a")]
    challenges = [HTTP01Challenge(url=url, service_name="s").model_dump(by_alias=True) for url in urls]
    waiting = made.model_copy(update={"status": {"http01Challenges": challenges}})
    out = reconcile(mapping(), world(external_domain_tls=True, certificate=waiting), NOW)
    assert [r.hosts[0] for r in out.ingress.spec.rules] == [
        "www.example.com",
        "a.example.com",
        "b.example.com",
    ]


def test_the_issuer_is_the_clusters_or_that_of_the_present_annotation():
    def issuer(**annotations):
        notes = {f"networking.knative.dev/{k}": v for k, v in annotations.items()}
        out = reconcile(mapping(notes), world(external_domain_tls=True, certificate_class="c"), NOW)
        return out.certificate.metadata.annotations

    key = "networking.knative.dev/certificate.class"
    assert issuer() == {key: "c"}
    assert issuer(**{"certificate-class": "old"}) == {key: "c"}
    assert issuer(**{"certificate.class": "mine"}) == {key: "mine"}


def test_children_of_a_long_domain_have_a_shorter_name():
    """Names of KIngresses go into labels, which hold 63 characters."""
    domain = f"{'a' * 40}.{'b' * 40}.example.com"
    out = reconcile(mapping(name=domain), world(external_domain_tls=True), NOW)
    name = out.ingress.metadata.name
    assert name == f"{domain[:31]}{hashlib.md5(domain.encode()).hexdigest()}"
    assert out.certificate.metadata.name == out.certificate.spec.secret_name == name
    assert out.certificate.spec.dns_names == out.ingress.spec.rules[0].hosts == (domain,)


@pytest.mark.parametrize(
    "uri",
    ["http://a.default.b.svc.cluster.local", "http://default.svc.cluster.local", "http://a.example.com"],
)
def test_an_address_of_another_form_is_no_target(uri):
    with pytest.raises(RefError, match="must be of the form"):
        backend(uri, "default")
    assert backend(URI, "default") == ("app.default.svc.cluster.local", "app")
