"""Routes, DomainMappings and Certificates, through the running controllers on the embedded API."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509

from knet.control.serving import issuer
from knet.control.serving.certificates import CLASS, Certificates
from knet.control.serving.mappings import DomainMappings
from knet.control.serving.routes import Routes
from knet.kube import resources
from routes_live import DOMAIN, LATEST, revision, route, served
from serving_live import condition, ready, serving_live


@pytest.fixture
async def live():
    async with serving_live(Routes, DomainMappings, Certificates) as made:
        await made.configure("config-domain", **{DOMAIN: ""})
        yield made


async def test_a_route_becomes_ready_when_its_ingress_is(live):
    await live.client.create(resources.ROUTES, route(LATEST))
    missing = await live.until(resources.ROUTES, "hello", lambda item: ready(item, status="False"))
    assert condition(missing)[1:] == (
        "ConfigurationMissing",
        'Configuration "hello" referenced in traffic not found.',
    )
    await revision(live, "hello-00001")
    made = await served(live)
    hosts = [host for rule in made["spec"]["rules"] for host in rule["hosts"]]
    assert f"hello.default.{DOMAIN}" in hosts
    done = await live.until(resources.ROUTES, "hello", ready)
    assert done["status"]["url"] == f"http://hello.default.{DOMAIN}"
    assert done["status"]["traffic"] == [
        {"revisionName": "hello-00001", "latestRevision": True, "percent": 100}
    ]
    placeholder = await live.until(
        resources.SERVICES, "hello", lambda item: "kourier" in item["spec"].get("externalName", "")
    )
    assert placeholder["spec"]["externalName"].startswith("kourier-internal.")


async def test_a_new_revision_takes_over_and_a_split_is_rendered(live):
    await revision(live, "hello-00001")
    await live.client.create(resources.ROUTES, route(LATEST))
    await served(live)
    await live.until(resources.ROUTES, "hello", ready)
    await revision(live, "hello-00002")
    await live.until(
        resources.INGRESSES,
        "hello",
        lambda item: "hello-00002" in str(item["spec"]) and "00001" not in str(item["spec"]),
    )
    traffic = [
        {"revisionName": "hello-00001", "percent": 90},
        {"revisionName": "hello-00002", "percent": 10, "tag": "canary"},
    ]
    await live.client.patch(resources.ROUTES, "hello", {"spec": {"traffic": traffic}}, "default")
    split = await live.until(
        resources.INGRESSES, "hello", lambda item: "canary-hello.default.example.com" in str(item["spec"])
    )
    public = next(r for r in split["spec"]["rules"] if r["hosts"] == ["hello.default.example.com"])
    assert [s["percent"] for s in public["http"]["paths"][0]["splits"]] == [90, 10]
    await live.until(resources.SERVICES, "canary-hello", lambda item: True)
    await live.client.patch(
        resources.ROUTES, "hello", {"spec": {"traffic": [traffic[0] | {"percent": 100}]}}, "default"
    )
    await live.gone(resources.SERVICES, "canary-hello")


async def test_settings_take_effect_and_bad_ones_do_not(live):
    await revision(live, "hello-00001")
    await live.client.create(resources.ROUTES, route(LATEST))
    await live.until(
        resources.INGRESSES, "hello", lambda item: f"hello.default.{DOMAIN}" in str(item["spec"])
    )
    await live.configure("config-domain", **{"example.org": ""})
    await live.until(
        resources.INGRESSES, "hello", lambda item: "hello.default.example.org" in str(item["spec"])
    )
    await live.configure("config-network", **{"domain-template": "{{.Name"})
    await live.configure("config-domain", **{"example.net": ""})
    made = await live.until(resources.INGRESSES, "hello", lambda item: "example.net" in str(item["spec"]))
    assert "hello.default.example.net" in str(made["spec"])
    assert "domain-template" in live.serving.configs.problems["config-network"]


async def test_a_service_that_is_in_the_way_is_told_and_left_alone(live):
    await revision(live, "hello-00001")
    other = {"metadata": {"name": "hello", "namespace": "default"}, "spec": {"ports": [{"port": 1}]}}
    before = await live.client.create(resources.SERVICES, other)
    await live.client.create(resources.ROUTES, route(LATEST))
    made = await live.until(resources.ROUTES, "hello", lambda item: ready(item, "IngressReady", "False"))
    assert condition(made, "IngressReady")[1] == "NotOwned"
    assert await live.client.get(resources.SERVICES, "hello", "default") == before


async def test_certificates_are_issued_and_the_route_is_https(live):
    await live.configure(
        "config-network",
        **{"external-domain-tls": "Enabled", "certificate-class": CLASS, "http-protocol": "Redirected"},
    )
    await revision(live, "hello-00001")
    await live.client.create(resources.ROUTES, route(LATEST))
    made = await live.until(resources.INGRESSES, "hello", lambda item: item["spec"].get("tls"))
    entry = made["spec"]["tls"][0]
    assert entry["hosts"] == [f"hello.default.{DOMAIN}"]
    secret = await live.client.get(resources.SECRETS, entry["secretName"], "default")
    leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"hello.default.{DOMAIN}"]
    root = await live.client.get(resources.SECRETS, "knet-ca", "knative-serving")
    authority = x509.load_pem_x509_certificate(base64.b64decode(root["data"]["tls.crt"]))
    leaf.verify_directly_issued_by(authority)
    certificate = await live.until(resources.CERTIFICATES, entry["secretName"], ready)
    assert certificate["status"]["notAfter"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    await served(live)
    done = await live.until(resources.ROUTES, "hello", ready)
    assert done["status"]["url"] == f"https://hello.default.{DOMAIN}"


def test_a_certificate_is_renewed_while_it_is_still_good():
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    authority = issuer.make_authority(now)
    held = issuer.issue(authority, ["a.example.com"], now)
    assert not issuer.due(
        held, ["a.example.com"], authority, now + issuer.LIFE - issuer.OVERLAP - dt.timedelta(1)
    )
    assert issuer.due(
        held, ["a.example.com"], authority, now + issuer.LIFE - issuer.OVERLAP + dt.timedelta(1)
    )
    assert issuer.due(held, ["a.example.com", "b.example.com"], authority, now)
    assert issuer.due(held, ["a.example.com"], issuer.make_authority(now), now)


def mapping(name="www.example.org", ref=None):
    return {
        "apiVersion": "serving.knative.dev/v1beta1",
        "kind": "DomainMapping",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ref": ref or {"kind": "Route", "name": "hello", "apiVersion": "serving.knative.dev/v1"}},
    }


async def test_a_domain_needs_a_claim_unless_they_come_by_themselves(live):
    await revision(live, "hello-00001")
    await live.client.create(resources.ROUTES, route(LATEST))
    await live.client.create(resources.DOMAIN_MAPPINGS, mapping())
    made = await live.until(
        resources.DOMAIN_MAPPINGS, "www.example.org", lambda item: ready(item, "DomainClaimed", "False")
    )
    assert condition(made, "DomainClaimed")[1] == "DomainAlreadyClaimed"
    await live.configure("config-network", **{"autocreate-cluster-domain-claims": "true"})
    await live.until(
        resources.CLUSTER_DOMAIN_CLAIMS,
        "www.example.org",
        lambda item: item["spec"]["namespace"] == "default",
    )
    ingress = await served(live, "www.example.org")
    path = ingress["spec"]["rules"][0]["http"]["paths"][0]
    assert (path["rewriteHost"], path["splits"][0]["serviceName"]) == (
        "hello.default.svc.cluster.local",
        "hello",
    )
    done = await live.until(resources.DOMAIN_MAPPINGS, "www.example.org", ready)
    assert done["status"]["url"] == "http://www.example.org"


async def test_a_domain_without_target_says_so(live):
    await live.configure("config-network", **{"autocreate-cluster-domain-claims": "true"})
    await live.client.create(resources.DOMAIN_MAPPINGS, mapping())
    made = await live.until(
        resources.DOMAIN_MAPPINGS,
        "www.example.org",
        lambda item: ready(item, "ReferenceResolved", "False") and condition(item, "ReferenceResolved")[1],
    )
    assert condition(made, "ReferenceResolved")[1:] == (
        "ResolveFailed",
        'routes.serving.knative.dev "hello" not found',
    )
