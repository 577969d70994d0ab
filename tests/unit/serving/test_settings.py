"""config-network, config-domain and config-features: keys, older spellings, and what is wrong with them."""

from __future__ import annotations

import pytest

from knet.model import features, network, network_domain
from knet.model.network import NetworkConfig


def read(**data):
    return network.parse({k.replace("_", "-"): v for k, v in data.items()})


def test_an_empty_map_is_all_defaults():
    assert network.parse({}) == (NetworkConfig(), ())
    assert NetworkConfig().ingress_class == "istio.ingress.networking.knative.dev"


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ({"ingress.class": "old", "ingress-class": "new"}, "ingress_class", "new"),
        ({"ingress.class": "old"}, "ingress_class", "old"),
        ({"autoTLS": "Enabled"}, "external_domain_tls", True),
        ({"auto-tls": "Enabled", "external-domain-tls": "Disabled"}, "external_domain_tls", False),
        ({"external-domain-tls": "yes"}, "external_domain_tls", False),
        ({"httpProtocol": "Redirected"}, "http_protocol", "redirected"),
        ({"http-protocol": ""}, "http_protocol", "enabled"),
        ({"internal-encryption": "true"}, "system_internal_tls", True),
        ({"internal-encryption": "false", "system-internal-tls": "enabled"}, "system_internal_tls", True),
        ({"rolloutDuration": "30"}, "rollout_duration", 30),
        ({"tagTemplate": "{{.Name}}-{{.Tag}}"}, "tag_template", "{{.Name}}-{{.Tag}}"),
        ({"default-external-scheme": "https"}, "default_external_scheme", "https"),
    ],
)
def test_keys_and_older_spellings(data, field, value):
    settings, bad = network.parse(data)
    assert getattr(settings, field) == value
    assert not bad


@pytest.mark.parametrize(
    "data",
    [
        {"domain-template": "{{.Nmae}}.{{.Domain}}"},
        {"domain-template": "{{.Name}}.{{.Domain}}/path"},
        {"domain-template": "{{if .Labels.x}}a{{end}}"},
        {"tag-template": "{{.Namespace}}"},
        {"rollout-duration": "30s"},
        {"rollout-duration": "-1"},
        {"http-protocol": "maybe"},
        {"system-internal-tls": "on"},
        {"autocreate-cluster-domain-claims": "yes"},
    ],
)
def test_a_bad_value_is_named_and_keeps_its_default(data):
    settings, bad = network.parse({**data, "ingress-class": "kept"})
    (key,) = data
    assert [(d.code, d.field, str(d.about)) for d in bad] == [
        ("KNET103", f"data[{key}]", "ConfigMap knative-serving/config-network")
    ]
    assert settings == NetworkConfig(ingress_class="kept")


def test_the_most_specific_domain_wins_then_the_first_by_name():
    domains, bad = network_domain.parse(
        {
            "example.com": "",
            "b.org": "selector:\n  app: x\n",
            "a.org": "selector:\n  app: x\n",
            "c.org": "selector: {app: x, tier: gold}",
            "_example": "not: read",
        }
    )
    assert not bad
    assert domains.lookup({}) == "example.com"
    assert domains.lookup({"app": "x"}) == "a.org"
    assert domains.lookup({"app": "x", "tier": "gold"}) == "c.org"
    local = {"app": "x", "networking.knative.dev/visibility": "cluster-local"}
    assert domains.lookup(local) == "svc.cluster.local"


def test_without_a_domain_for_all_the_rest_is_private():
    domains, _ = network_domain.parse({"a.org": "selector: {app: x}"})
    assert domains.lookup({}) == "svc.cluster.local"
    assert network_domain.parse({})[0].lookup({}) == "svc.cluster.local"


@pytest.mark.parametrize("text", ["[a]", "selector: [a]", "selector: {a: 1}", "a: b: c", "a: [1"])
def test_an_entry_that_is_none_is_named_and_left_out(text):
    domains, bad = network_domain.parse({"bad.org": text, "good.org": ""})
    assert [(d.code, d.field) for d in bad] == [("KNET103", "data[bad.org]")]
    assert list(domains.selectors) == ["good.org"]


def test_features():
    switches, bad = features.parse({"tag-header-based-routing": "Enabled", "autodetect-http2": "often"})
    assert switches.tag_header
    assert [d.field for d in bad] == ["data[autodetect-http2]"]
    assert switches.flag("autodetect-http2") == "disabled"
    assert switches.flag("multi-container") == "enabled"
    assert not features.parse({"tag-header-based-routing": "allowed"})[0].tag_header
