"""Knative's ConfigMaps: keys, defaults, ranges, and the words for what is wrong (facts/knative.md A.3)."""

from __future__ import annotations

import zlib

import pytest

from knet.model import config_defaults, config_deployment, config_gc, config_logging, config_observability
from knet.serving.config_maps import PARSERS, problem, refusal
from knet.text import json
from knet.text.duration import SECOND


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_nothing_said_is_nothing_wrong(name):
    assert problem(name, {}) == ""
    assert (
        problem(name, {"_example": "anything: [", "unknown-key": "x"} if name != "config-domain" else {})
        == ""
    )


BAD = [
    ("config-defaults", {"revision-timeout-seconds": "x"}, 'failed to parse "revision-timeout-seconds": strconv.ParseInt: parsing "x": invalid syntax'),
    ("config-defaults", {"revision-timeout-seconds": "601"}, "revision-timeout-seconds (601) cannot be greater than max-revision-timeout-seconds (600)"),
    ("config-defaults", {"revision-response-start-timeout-seconds": "301"}, "revision-response-start-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)"),
    ("config-defaults", {"revision-idle-timeout-seconds": "301"}, "revision-idle-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)"),
    ("config-defaults", {"container-concurrency": "1001"}, "expected 0 <= 1001 <= 1000: container-concurrency"),
    ("config-defaults", {"container-concurrency-max-limit": "0"}, "expected 1 <= 0 <= 2147483647: container-concurrency-max-limit"),
    ("config-defaults", {"revision-cpu-request": "x"}, "failed to parse \"revision-cpu-request\": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ("config-defaults", {"allow-container-concurrency-zero": "yes"}, 'failed to parse "allow-container-concurrency-zero": strconv.ParseBool: parsing "yes": invalid syntax'),
    ("config-deployment", {"progress-deadline": "0s"}, "progress-deadline cannot be a non-positive duration, was 0s"),
    ("config-deployment", {"progress-deadline": "1.5s"}, "progress-deadline must be rounded to a whole second, was: 1.5s"),
    ("config-deployment", {"digest-resolution-timeout": "-1s"}, "digest-resolution-timeout cannot be a non-positive duration, was -1s"),
    ("config-defaults", {"revision-cpu-limit": "1K"}, 'failed to parse "revision-cpu-limit": unable to parse quantity\'s suffix'),
    ("config-defaults", {"revision-cpu-limit": "Gi"}, 'failed to parse "revision-cpu-limit": unable to parse numeric part of quantity'),
    ("config-deployment", {"runtime-class-name": "A: {}"}, "runtime-class-name A selector not valid DNSSubdomain: [a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]"),
    ("config-deployment", {"default-affinity-type": "x"}, 'unsupported default-affinity-type value: "x"'),
    ("config-gc", {"min-non-active-revisions": "5", "max-non-active-revisions": "4"}, "min-non-active-revisions(5) must be <= max-non-active-revisions(4)"),
    ("config-gc", {"retain-since-create-time": "-1h"}, "failed to parse retain-since-create-time: must be non-negative"),
    ("config-gc", {"max-non-active-revisions": "-1"}, 'failed to parse max-non-active-revisions: strconv.ParseUint: parsing "-1": invalid syntax'),
    ("config-observability", {"metrics-protocol": "x"}, 'unsupported protocol "x"'),
    ("config-observability", {"metrics-protocol": "grpc"}, 'endpoint should be set when protocol is "grpc"'),
    ("config-observability", {"tracing-sampling-rate": "1.5"}, "sampling rate 1.500000 should be less than or equal to one"),
    ("config-observability", {"logging.request-log-template": "{{.Request"}, "template: requestLog: unclosed action"),
    ("config-observability", {"logging.request-log-template": "{{bogus}}"}, 'template: requestLog: function "bogus" not defined'),
    ("config-observability", {"logging.enable-request-log": "true", "logging.request-log-template": ""}, '"logging.enable-request-log" was set to true, but no "logging.request-log-template" was specified'),
    ("config-observability", {"runtime-profiling": "on"}, 'unsupported profile setting "on"'),
    ("config-leader-election", {"buckets": "11"}, "buckets: value must be between 1 <= 11 <= 10"),
    ("config-logging", {"loglevel.controller": "loud"}, 'failed to parse "loglevel.controller": unrecognized level: "loud"'),
    ("config-autoscaler", {"stable-window": "1s"}, "stable-window = 1s, must be in [6s; 1h0m0s] range"),
    ("config-certmanager", {"issuerRef": "kind: x"}, 'failed to parse "issuerRef": it names no issuer'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "words"), BAD)
def test_what_is_wrong_is_said(name, data, words):
    assert problem(name, data) == words


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config-features", {"multi-container": "maybe"}),
        ("config-network", {"domain-template": "{{.Nope"}),
        ("config-network", {"rollout-duration": "-1"}),
        ("config-domain", {"example.com": "selector: 3"}),
    ],
)
def test_every_map_is_checked(name, data):
    assert next(iter(data)) in problem(name, data)


def test_defaults_follow_one_another():
    made = config_defaults.parse({"revision-timeout-seconds": "100"})
    assert (made.revision_timeout, made.response_start_timeout) == (100, 100)
    made = config_defaults.parse(
        {"container-name-template": "c-{{.Name}}", "enable-service-links": "default"}
    )
    assert made.container_name({"name": "hello"}) == "c-hello"
    assert made.enable_service_links is None
    made = config_defaults.parse({"revision-cpu-request": "1000m", "revision-memory-limit": "2048Mi"})
    assert (made.requests, made.limits) == ({"cpu": "1"}, {"memory": "2Gi"})


def test_deployment():
    made = config_deployment.parse({})
    assert made.queue_resources == {"cpu-request": "25m"}
    assert made.registries_skipping_tag_resolving == {"kind.local", "ko.local", "dev.local"}
    old = {"queueSidecarCPULimit": "2", "queue-sidecar-cpu-limit": "1", "progressDeadline": "5s"}
    made = config_deployment.parse(old)
    assert made.queue_resources["cpu-limit"] == "1"
    assert made.progress_deadline == 5 * SECOND
    classes = "kata: {}\ngvisor:\n  selector:\n    sandbox: 'yes'\n"
    made = config_deployment.parse({"runtime-class-name": classes})
    assert made.runtime_class({"sandbox": "yes"}) == "gvisor"
    assert made.runtime_class({}) == "kata"
    assert config_deployment.parse({}).runtime_class({}) == ""


def test_gc_can_be_disabled():
    made = config_gc.parse({"retain-since-create-time": "disabled", "max-non-active-revisions": "Disabled"})
    assert made.retain_since_create_time is None
    assert made.max_non_active_revisions is None
    assert made.retain_since_last_active_time == 15 * 3600 * SECOND


def test_observability_is_told_as_upstream_tells_it():
    told = config_observability.parse({"logging.enable-request-log": "true"}).data()
    assert list(told) == [
        "tracing",
        "metrics",
        "runtime",
        "requestMetrics",
        "enableRequestLog",
        "requestLogTemplate",
    ]
    assert told["runtime"] == {"profiling": "disabled", "exportInterval": 15 * SECOND}
    for rate, written in (("1", "1"), ("0.25", "0.25")):
        tracing = config_observability.parse({"tracing-sampling-rate": rate}).data()["tracing"]
        assert json.go(tracing).decode() == f'{{"protocol":"none","samplingRate":{written}}}'


def test_levels():
    assert config_logging.parse({"loglevel.queueproxy": "debug"}).levels == {"queueproxy": "debug"}


def test_an_example_that_was_edited_is_refused():
    example = "a: b\n\nc: d\n"
    sums = f"{zlib.crc32(example.strip().encode()):08x}"
    meta = {"name": "config-gc", "annotations": {"knative.dev/example-checksum": sums}}
    assert refusal({"metadata": meta, "data": {"_example": example}}) == ""
    said = refusal({"metadata": meta, "data": {"_example": example + "e: f\n"}})
    assert said == '"_example" block edited, you likely wanted to create an unindented configuration'


def test_what_knet_takes_and_refuses_otherwise_than_upstream():
    """docs/deviations.md: an image of our own is the default, and a Lease has to be renewed before it ends."""
    assert problem("config-deployment", {}) == ""
    assert problem("config-leader-election", {"lease-duration": "60s", "renew-deadline": "40s"}) == ""
    assert problem("config-leader-election", {"lease-duration": "10s", "renew-deadline": "40s"}) != ""
