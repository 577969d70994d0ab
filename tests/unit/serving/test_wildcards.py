"""Wildcard certificates of namespaces: which are made, under which names, and which Routes they are for."""

from __future__ import annotations

import datetime as dt

import pytest

from knet.control.serving import issuer
from knet.model import network, network_domain
from knet.model.meta import ObjectMeta
from knet.serving import keys, wildcards
from knet.serving.settings import Settings

CLASS = "networking.knative.dev/certificate.class"
NAMESPACE = ObjectMeta(name="shop", uid="ns-uid", labels={"team": "a"})


def settings(domains=None, **data):
    data = {"external-domain-tls": "Enabled", "certificate-class": "mine", **data}
    made, bad = network.parse({k.replace("_", "-"): v for k, v in data.items()})
    assert not bad
    return Settings(made, network_domain.parse(domains or {"example.com": ""})[0])


def wanted(namespace=NAMESPACE, **data):
    return wildcards.wildcard(namespace, settings(**data))


def named(certificate, name, **changes):
    meta = certificate.metadata.model_copy(update={"name": name, **changes})
    return certificate.model_copy(update={"metadata": meta})


@pytest.mark.parametrize(
    ("selector", "labels", "there"),
    [
        (None, {}, False),
        ("", {}, False),
        ("{}", {}, True),
        ("matchLabels: {team: a}", {"team": "a"}, True),
        ("matchLabels: {team: a}", {"team": "b"}, False),
    ],
)
def test_the_selector_decides(selector, labels, there):
    data = {} if selector is None else {"namespace-wildcard-cert-selector": selector}
    assert wildcards.chosen(labels, settings(**data)) is there


def test_its_names_are_upstreams():
    made = wanted()
    assert made.model_dump(exclude_defaults=True) == {
        "metadata": {
            "name": "shop.example.com",
            "namespace": "shop",
            "labels": {"networking.knative.dev/wildcardDomain": "example.com"},
            "annotations": {CLASS: "mine"},
            "owner_references": (keys.owner("v1", "Namespace", NAMESPACE).model_dump(exclude_defaults=True),),
        },
        "spec": {"dns_names": ("*.shop.example.com",), "secret_name": "shop.example.com"},
    }


def test_the_class_is_the_namespaces_own_where_it_has_one():
    theirs = NAMESPACE.model_copy(update={"annotations": {"networking.knative.dev/certificate-class": "b"}})
    assert wanted(theirs).metadata.annotations == {CLASS: "b"}


@pytest.mark.parametrize(
    ("domains", "name"),
    [
        ({"example.com": "", "example.org": "selector: {team: a}"}, "shop.example.com"),
        ({"example.org": "selector: {team: a}"}, "shop.svc.cluster.local"),
    ],
)
def test_the_domain_is_the_one_for_every_route(domains, name):
    made = wildcards.wildcard(NAMESPACE, settings(domains))
    assert (made.metadata.name, made.spec.dns_names) == (name, (f"*.{name}",))


@pytest.mark.parametrize(
    ("template", "host"),
    [
        ("{{.Name}}.{{.Domain}}", "*.example.com"),
        ('{{.Name}}.{{index .Labels "x"}}{{.Namespace}}.{{.Domain}}', "*.shop.example.com"),
    ],
)
def test_the_template_makes_the_host(template, host):
    assert wanted(domain_template=template).spec.dns_names == (host,)


@pytest.mark.parametrize(
    "template", ["{{.Name}}-{{.Namespace}}.{{.Domain}}", "{{.Namespace}}.{{.Name}}.{{.Domain}}"]
)
def test_a_template_without_the_name_as_first_label_makes_none(template):
    with pytest.raises(wildcards.WildcardError, match=r"invalid DomainTemplate: .*\*"):
        wanted(domain_template=template)


def test_one_that_cannot_be_asked_is_an_error():
    bad = settings(namespace_wildcard_cert_selector="matchExpressions: [{key: a, operator: Is}]")
    with pytest.raises(wildcards.WildcardError, match=r"^invalid label selector for namespaces: "):
        wildcards.chosen({}, bad)


def test_it_is_made_once_and_told():
    made = wanted()
    out = wildcards.reconcile(NAMESPACE, {}, made)
    assert out.certificate == made
    assert (out.event.reason, out.event.message) == (
        "Created",
        "Created Knative Certificate shop/shop.example.com",
    )
    again = wildcards.reconcile(NAMESPACE, {"shop.example.com": made}, made)
    assert (again.certificate, again.event, again.error) == (None, None, "")


def test_another_domain_or_issuer_is_an_update_under_the_name_that_it_has():
    held = {"shop.example.com": wanted()}
    other = wildcards.wildcard(NAMESPACE, settings({"example.org": ""}))
    out = wildcards.reconcile(NAMESPACE, held, other)
    assert out.event.reason == "Updated"
    assert (out.certificate.metadata.name, out.certificate.spec) == ("shop.example.com", other.spec)
    assert out.certificate.metadata.labels == other.metadata.labels
    issuer_changed = wildcards.reconcile(NAMESPACE, held, wanted(certificate_class="other")).certificate
    assert issuer_changed.metadata.annotations == {CLASS: "other"}


def test_one_of_somebody_else_counts_if_it_is_shared_and_is_in_the_way_if_not():
    theirs = named(wanted(), "bought", owner_references=())
    out = wildcards.reconcile(NAMESPACE, {"bought": theirs}, wanted(certificate_class="other"))
    assert (out.certificate, out.error) == (None, "")
    alone = named(theirs, "shop.example.com", labels={})
    out = wildcards.reconcile(NAMESPACE, {"shop.example.com": alone}, wanted())
    assert out.certificate is None
    assert out.error == "namespace shop does not own Knative Certificate: shop.example.com"
    assert wildcards.left(NAMESPACE, {"bought": theirs, "a": named(wanted(), "a"), "b": alone}) == ["a"]


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (["hello.shop.example.com"], True),
        (["a.shop.example.com", "b.shop.example.com"], True),
        (["a.shop.example.com", "b.example.com"], False),
        (["deep.hello.shop.example.com"], False),
        (["shop.example.com"], False),
    ],
)
def test_it_covers_one_label(hosts, found):
    assert (wildcards.covering(hosts, [wanted()]) is not None) is found
    assert wildcards.covering(hosts, []) is None


def test_the_built_in_issuer_issues_it():
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    authority = issuer.make_authority(now)
    held = issuer.issue(authority, wanted().spec.dns_names, now)
    assert held.names == {"*.shop.example.com"}
    assert not issuer.due(held, ["*.shop.example.com"], authority, now)
    assert issuer.due(held, ["*.shop.example.org"], authority, now)
