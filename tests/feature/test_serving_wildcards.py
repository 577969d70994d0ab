"""Namespaces with a wildcard certificate, and Routes that use it, through the running controllers on the embedded API."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509

from knet.control.serving.certificates import CLASS, Certificates
from knet.control.serving.namespaces import Namespaces
from knet.control.serving.routes import Routes
from knet.kube import resources
from routes_live import DOMAIN, LATEST, revision, route, served
from serving_live import condition, ready, serving_live

SHARED = f"default.{DOMAIN}"
HOST = f"hello.default.{DOMAIN}"
NETWORK = {"external-domain-tls": "Enabled", "certificate-class": CLASS}
BY_LABEL = {"namespace-wildcard-cert-selector": "matchLabels: {wildcard: 'yes'}"}


@pytest.fixture
async def live():
    async with serving_live(Routes, Namespaces, Certificates) as made:
        await made.configure("config-domain", **{DOMAIN: ""})
        yield made


async def labelled(live, value):
    meta = {"metadata": {"labels": {"wildcard": value}}}
    await live.client.patch(resources.NAMESPACES, "default", meta)


def secrets(item):
    return {host: entry["secretName"] for entry in item["spec"].get("tls") or () for host in entry["hosts"]}


async def names(live, secret):
    """The DNS names in the certificate of a Secret."""
    held = await live.client.get(resources.SECRETS, secret, "default")
    leaf = x509.load_pem_x509_certificate(base64.b64decode(held["data"]["tls.crt"]))
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


async def own(live):
    """The names of the Certificates that are there."""
    return [c["metadata"]["name"] for c in (await live.client.list(resources.CERTIFICATES, "default")).items]


async def test_a_route_is_https_by_its_namespaces_wildcard_until_the_label_goes(live):
    await live.configure("config-network", **NETWORK, **BY_LABEL)
    await labelled(live, "yes")
    made = await live.until(resources.CERTIFICATES, SHARED, ready)
    assert made["spec"] == {"dnsNames": [f"*.{SHARED}"], "secretName": SHARED}
    assert made["metadata"]["labels"] == {"networking.knative.dev/wildcardDomain": DOMAIN}
    namespace = await live.client.get(resources.NAMESPACES, "default")
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Namespace", namespace["metadata"]["uid"])

    await revision(live, "hello-00001")
    tagged = {"revisionName": "hello-00001", "percent": 0, "tag": "old"}
    await live.client.create(resources.ROUTES, route(LATEST, tagged))
    await live.until(
        resources.INGRESSES, "hello", lambda item: secrets(item) == {HOST: SHARED, f"old-{HOST}": SHARED}
    )
    assert await names(live, SHARED) == [f"*.{SHARED}"]
    await served(live)
    done = await live.until(resources.ROUTES, "hello", ready)
    assert done["status"]["url"] == f"https://{HOST}"
    assert condition(done, "CertificateProvisioned") == ("True", "", "")
    assert await own(live) == [SHARED]  # the Route has none of its own

    await labelled(live, "no")
    await live.gone(resources.CERTIFICATES, SHARED)
    made = await live.until(
        resources.INGRESSES,
        "hello",
        lambda item: len(secrets(item)) == 2 and SHARED not in secrets(item).values(),
    )
    assert await names(live, secrets(made)[HOST]) == [HOST]

    # back again, while the collector still has to see to the Secret: the Route's own serve until it has
    await labelled(live, "yes")
    waiting = await live.until(resources.CERTIFICATES, SHARED, lambda c: ready(c, status="False"))
    assert condition(waiting)[1:] == ("NotIssued", f'Secret "{SHARED}" is there already, and not ours')
    await live.settled()
    held = await live.client.get(resources.INGRESSES, "hello", "default")
    assert secrets(held) == secrets(made)
    await live.client.delete(resources.SECRETS, SHARED, "default")
    await live.until(
        resources.INGRESSES, "hello", lambda item: secrets(item) == {HOST: SHARED, f"old-{HOST}": SHARED}
    )
    assert len(await own(live)) == 3


async def test_settings_decide_about_namespaces_that_are_there_already(live):
    await labelled(live, "yes")
    await live.configure("config-network", **BY_LABEL)
    await live.settled()
    assert await own(live) == []  # not without external-domain-tls
    await live.configure("config-network", **NETWORK, **BY_LABEL)
    await live.until(resources.CERTIFICATES, SHARED, ready)
    everywhere = {"namespace-wildcard-cert-selector": "{}"}
    await live.configure("config-network", **NETWORK, **everywhere)
    await live.until(resources.CERTIFICATES, f"kube-public.{DOMAIN}", ready, "kube-public")
    # one that stands is brought to another domain, under its name
    await live.configure("config-domain", **{"example.org": ""})
    await live.until(
        resources.CERTIFICATES,
        SHARED,
        lambda c: ready(c) and c["spec"]["dnsNames"] == ["*.default.example.org"],
    )
    assert await names(live, "default.example.org") == ["*.default.example.org"]
    await live.configure("config-network", **NETWORK)
    await live.gone(resources.CERTIFICATES, SHARED)
    await live.gone(resources.CERTIFICATES, f"kube-public.{DOMAIN}", "kube-public")


async def test_a_selector_that_is_none_does_not_count_and_one_that_asks_nonsense_is_told(live):
    await live.configure("config-network", **NETWORK, **{"namespace-wildcard-cert-selector": "[a]"})
    await live.until(
        resources.EVENTS,
        "",
        lambda e: e["reason"] == "InvalidConfiguration" and "cannot unmarshal array" in e["message"],
        "knative-serving",
    )
    nonsense = "matchExpressions: [{key: a, operator: Like}]"
    await live.configure("config-network", **NETWORK, **{"namespace-wildcard-cert-selector": nonsense})
    told = await live.until(
        resources.EVENTS,
        "",
        lambda e: e["involvedObject"]["kind"] == "Namespace" and e["involvedObject"]["name"] == "default",
    )
    assert told["message"] == (
        'invalid label selector for namespaces: "Like" is not a valid label selector operator'
    )
    assert await own(live) == []


async def test_a_certificate_of_that_name_that_is_somebody_elses_is_left_alone(live):
    theirs = {
        "metadata": {"name": SHARED, "namespace": "default"},
        "spec": {"dnsNames": ["a"], "secretName": "a"},
    }
    before = await live.client.create(resources.CERTIFICATES, theirs)
    await live.configure("config-network", **NETWORK, **BY_LABEL)
    await labelled(live, "yes")
    told = await live.until(
        resources.EVENTS,
        "",
        lambda e: e["involvedObject"]["kind"] == "Namespace" and e["reason"] == "InternalError",
    )
    assert told["message"] == f"namespace default does not own Knative Certificate: {SHARED}"
    after = await live.client.get(resources.CERTIFICATES, SHARED, "default")
    assert after["spec"] == before["spec"]
