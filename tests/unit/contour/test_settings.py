"""config-contour and config-network: what takes effect, and what is said of bad values."""

from __future__ import annotations

import pytest

from contour_helpers import config, make_world, service
from knet.backends.contour import backend
from knet.backends.contour.settings import Settings
from knet.errors import Diagnostic
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL


def read(**data: str) -> tuple[Settings, tuple[Diagnostic, ...]]:
    return backend.settings(make_world(config("config-contour", **data)))


def test_defaults() -> None:
    settings, problems = read()
    assert not problems
    assert settings.class_name(EXTERNAL) == "contour-external"
    assert settings.class_name(CLUSTER_LOCAL) == "contour-internal"
    assert settings.class_name("") == ""
    assert (settings.response_timeout, settings.idle_timeout) == ("infinity", "infinity")
    assert (settings.default_secret, settings.cors, settings.internal_tls) == ("", {}, False)


def test_values_take_effect() -> None:
    settings, problems = read(
        visibility="ExternalIP: {class: edge, service: edge/envoy}\nClusterLocal: {class: in, service: in/envoy}\n",
        timeout_policy_response="1h30m",
        timeout_policy_idle="infinite",
        default_tls_secret="edge/cert",
        cors_policy="allowOrigin: ['*']\nallowMethods: [GET]\nallowCredentials: false\n",
    )
    assert not problems
    assert settings.class_name(EXTERNAL) == "edge"
    assert settings.gateways[CLUSTER_LOCAL].service == ("in", "envoy")
    assert (settings.response_timeout, settings.idle_timeout) == ("1h30m", "infinite")
    assert settings.cors == {"allowOrigin": ["*"], "allowMethods": ["GET"]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timeout_policy_response", "soon"),
        ("timeout_policy_idle", "30"),
        ("default_tls_secret", "cert"),
        ("default_tls_secret", "a/b/c"),
        ("visibility", "- list"),
        ("visibility", "{"),
        ("visibility", "ExternalIP: {class: edge, service: envoy}\nClusterLocal: {class: a, service: a/b}"),
        ("visibility", "ExternalIP: {class: e dge, service: a/b}\nClusterLocal: {class: a, service: a/b}"),
        ("visibility", "ExternalIP: edge\nClusterLocal: {class: a, service: a/b}"),
        ("visibility", "ClusterLocal: {class: a, service: a/b}"),
        ("cors_policy", "allowOrigin: ['*']"),
        ("cors_policy", "allowOrigin: '*'\nallowMethods: [GET]"),
        ("cors_policy", "allowOrigin: [1]\nallowMethods: [GET]"),
        ("cors_policy", "allowOrigin: ['*']\nallowMethods: [GET]\nmore: 1"),
    ],
)
def test_bad_values_are_named_and_the_defaults_stand_in(key: str, value: str) -> None:
    settings, problems = read(**{key: value})
    assert {(d.code, d.field, d.gateway) for d in problems} == {
        ("KNET103", f"data.{key.replace('_', '-')}", "contour")
    }
    default, _ = read()
    wanted = {CLUSTER_LOCAL: "a"} if key == "visibility" and "ClusterLocal" in value else {}
    assert settings.class_name(EXTERNAL) == default.class_name(EXTERNAL)
    assert settings.class_name(CLUSTER_LOCAL) == wanted.get(CLUSTER_LOCAL, "contour-internal")
    assert (settings.response_timeout, settings.idle_timeout) == ("infinity", "infinity")
    assert (settings.default_secret, settings.cors) == ("", {})


def test_a_visibility_that_is_none_is_named() -> None:
    _, problems = read(visibility="Other: {class: a, service: a/b}")
    assert next(d.message for d in problems) == "visibility: Other is neither ExternalIP nor ClusterLocal"


def test_internal_tls_is_a_switch() -> None:
    settings, problems = backend.settings(make_world(config("config-network", system_internal_tls="perhaps")))
    assert not settings.internal_tls
    assert [d.field for d in problems] == ["data.system-internal-tls"]


def test_gateways_are_located() -> None:
    settings, _ = backend.settings(make_world(service("envoy", "http", namespace="contour-external")))
    assert settings.gateways[EXTERNAL].upstream is not None
    assert settings.gateways[CLUSTER_LOCAL].upstream is None
