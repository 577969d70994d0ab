"""config-kourier: every key, good and bad."""

from __future__ import annotations

import dataclasses

import pytest

from knet.backends.kourier import backend
from knet.envoy.build.options import AccessLog, HostPort
from knet.routing.world import World
from kourier_worlds import configured

AUTHZ = {"extauthz-host": "authz.auth:9000", "extauthz-protocol": "grpc"}


def read(data):
    return backend.settings(configured(World(), data))


def flat(settings):
    out = {}
    for holder in (settings, settings.http, settings.tls, settings.http.ext_authz, settings.http.tracing):
        if holder:
            out |= {f.name: getattr(holder, f.name) for f in dataclasses.fields(holder)}
    return out


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ({"listen-ip-addresses": "::, 0.0.0.0"}, "addresses", ("::", "0.0.0.0")),
        ({"enable-proxy-protocol": "T"}, "proxy_protocol", True),
        ({"enable-service-access-logging": "false"}, "access_log", None),
        ({"service-access-log-template": "%X%\n"}, "access_log", AccessLog(template="%X%\n")),
        ({"stream-idle-timeout": "1m30s"}, "stream_idle_timeout_ms", 90_000),
        ({"trusted-hops-count": "2"}, "trusted_hops", 2),
        ({"use-remote-address": "true"}, "use_remote_address", True),
        ({"disable-envoy-server-header": "true"}, "keep_server_header", True),
        ({"cipher-suites": "B, A"}, "cipher_suites", ("A", "B")),
        (AUTHZ, "target", HostPort("authz.auth", 9000)),
        (AUTHZ | {"extauthz-timeout": "500"}, "timeout_ms", 500),
        (AUTHZ | {"extauthz-failure-mode-allow": "true"}, "failure_mode_allow", True),
        (AUTHZ | {"extauthz-max-request-body-bytes": "1"}, "max_request_bytes", 1),
        (AUTHZ | {"extauthz-path-prefix": "/v"}, "path_prefix", "/v"),
        (AUTHZ | {"extauthz-pack-as-byte": "true"}, "pack_as_bytes", True),
        (AUTHZ | {"extauthz-pack-as-bytes": "true"}, "pack_as_bytes", True),
        ({"tracing-endpoint": "http://otel:4317", "tracing-sampling-rate": "0.25"}, "sampling", 0.25),
        (
            {"tracing-endpoint": "https://otel", "tracing-protocol": "http/protobuf"},
            "target",
            HostPort("otel", 443),
        ),
    ],
)
def test_good_values(data, field, value):
    settings, problems = read(data)
    assert problems == ()
    assert flat(settings)[field] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("listen-ip-addresses", "0.0.0.0, here"),
        ("enable-proxy-protocol", "yes"),
        ("stream-idle-timeout", "5 minutes"),
        ("stream-idle-timeout", "99999999999999h"),
        ("trusted-hops-count", "-1"),
        ("trusted-hops-count", "٣"),
        ("certs-secret-name", "gone"),
        ("cluster-cert-secret", "gone"),
        ("extauthz-host", "authz"),
        ("extauthz-host", "authz:99999"),
        ("tracing-endpoint", "otel:4317"),
        ("tracing-endpoint", "http://[::1"),
    ],
)
def test_bad_values_are_named_and_the_default_stands(key, value):
    settings, problems = read({key: value})
    assert [d.code for d in problems] == ["KNET103"]
    assert problems[0].field == f"data.{key}"
    assert settings == read({})[0]


def test_system_internal_tls_needs_its_ca():
    from kourier_worlds import config

    found = config({"system-internal-tls": "enabled"}, "config-network")
    settings, problems = backend.settings(World(config_maps={found.key: found}))
    assert settings.ca_pem == b""
    assert [d.field for d in problems] == ["data.system-internal-tls"]
