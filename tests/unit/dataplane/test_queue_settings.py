"""A queue-proxy's environment: Knative's own, and wrong ones."""

from __future__ import annotations

import json

import pytest

from knet.dataplane.queue_probe import Probe
from knet.dataplane.queue_settings import read
from knet.dataplane.queue_traces import Traces
from knet.errors import KnetError
from knet.model.config_observability import REQUEST_LOG_TEMPLATE
from unit.dataplane.environments import environment

TCP = Probe("tcp", 8080, repeated=True)


def test_knatives_usual_environment():
    made = read(environment())
    assert (made.namespace, made.configuration, made.revision) == ("default", "hello", "hello-00007")
    assert (made.port, made.user_port, made.admin_port, made.metrics_port) == (8012, 8080, 8022, 9090)
    assert (made.concurrency, made.timeout, made.response_start, made.idle) == (0, 300, 0, 0)
    assert (made.http2, made.address, made.quiet, made.probes) == (False, "0.0.0.0", 30, (TCP,))


def test_the_port_tells_the_protocol_even_where_it_is_another_one_in_truth():
    ports = json.dumps({"8013": 20001, "8080": 20002, "8022": 20003, "9090": 20004})
    made = read(environment(QUEUE_SERVING_PORT="8013", KNET_PORTS=ports, SERVING_POD_IP="127.0.0.1"))
    assert made.http2
    assert (made.port, made.user_port, made.admin_port, made.metrics_port) == (20001, 20002, 20003, 20004)
    assert made.probes[0].port == 20002
    assert made.address == "127.0.0.1", "pods on the host's ports are not for the network"


def test_a_request_log_is_one_that_is_switched_on():
    def told(**observed):
        made = read(environment(OBSERVABILITY_CONFIG=json.dumps(observed)))
        return made.request_log, made.log_probes

    assert told() == told(requestLogTemplate="{{.Request.Host}}") == ("", False)
    own = {"enableRequestLog": True, "requestLogTemplate": "{{.Request.Host}}"}
    assert told(**own, enableProbeRequestLog=True) == ("{{.Request.Host}}", True)
    assert told(enableRequestLog=True) == (REQUEST_LOG_TEMPLATE, False)


@pytest.mark.parametrize(
    ("tracing", "wanted"),
    [
        ({}, None),
        ({"protocol": "none"}, None),
        ({"protocol": "stdout", "samplingRate": 1}, None),
        (
            {"protocol": "grpc", "endpoint": "http://otel.tools:4317", "samplingRate": 0.1},
            Traces("otel.tools", 4317, 0.1),
        ),
        ({"protocol": "grpc", "endpoint": "otel.tools:7"}, Traces("otel.tools", 7, 0.0)),
        (
            {"protocol": "http/protobuf", "endpoint": "https://otel.tools/v1/traces", "samplingRate": 1},
            Traces("otel.tools", 443, 1.0, "https://otel.tools/v1/traces", tls=True),
        ),
    ],
)
def test_where_traces_go(tracing, wanted):
    assert read(environment(OBSERVABILITY_CONFIG=json.dumps({"tracing": tracing}))).traces == wanted


def test_a_pod_of_the_other_address_family():
    assert read(environment(SERVING_POD_IP="fd00::7")).address == "::"


def test_timeouts_that_are_not_said_are_none():
    made = read(environment(REVISION_RESPONSE_START_TIMEOUT_SECONDS=None, REVISION_IDLE_TIMEOUT_SECONDS=""))
    assert (made.response_start, made.idle) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OBSERVABILITY_CONFIG", "[]"),
        ("OBSERVABILITY_CONFIG", '{"tracing": {"protocol": "grpc"}}'),
        ("OBSERVABILITY_CONFIG", '{"tracing": {"protocol": "grpc", "endpoint": "http://x:70000"}}'),
        ("CONTAINER_CONCURRENCY", "ten"),
        ("CONTAINER_CONCURRENCY", "-1"),
        ("CONTAINER_CONCURRENCY", "²"),
        ("QUEUE_SERVING_PORT", "0"),
        ("USER_PORT", "65536"),
        ("REVISION_TIMEOUT_SECONDS", ""),
        ("SERVING_POD_IP", "nowhere"),
        ("SERVING_REVISION", None),
        ("KNET_PORTS", "[1]"),
        ("KNET_QUIET_SECONDS", "soon"),
        ("SERVING_READINESS_PROBE", "{"),
        ("SERVING_READINESS_PROBE", "[7]"),
        ("SERVING_READINESS_PROBE", '{"exec": {"command": ["true"]}}'),
        ("SERVING_READINESS_PROBE", '{"httpGet": {"port": "http"}}'),
        ("SERVING_READINESS_PROBE", '{"grpc": {"port": 1, "service": "%s"}}' % ("x" * 128)),
    ],
)
def test_what_is_wrong_is_named(name, value):
    with pytest.raises(KnetError) as caught:
        read(environment(**{name: value}))
    (found,) = caught.value.diagnostics
    assert found.code == "KNET370"
    assert found.message.startswith(name)


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(KnetError) as caught:
        read({})
    assert len(caught.value.diagnostics) == 9


def test_probes_in_all_forms():
    probe = [
        {
            "httpGet": {"path": "r", "port": 8080, "host": "127.0.0.1", "scheme": "HTTP"},
            "successThreshold": 2,
        },
        {
            "httpGet": {"port": "8443", "scheme": "HTTPS", "httpHeaders": [{"name": "A", "value": "b"}]},
            "timeoutSeconds": 3,
            "periodSeconds": 5,
        },
        {"grpc": {"port": 50051, "service": "s"}},
    ]
    made = read(environment(SERVING_READINESS_PROBE=json.dumps(probe)))
    assert made.probes == (
        Probe("http", 8080, path="/r", successes=2, repeated=True),
        Probe("https", 8443, headers=(("A", "b"),), timeout=3),
        Probe("grpc", 50051, service="s", repeated=True),
    )


def test_http2_is_found_out_for_probes_by_http_alone():
    probes = [
        {"httpGet": {"port": 1}},
        {"httpGet": {"port": 1, "scheme": "HTTPS"}},
        {"tcpSocket": {"port": 1}},
    ]
    for value, found in (("true", [True, False, False]), ("false", [False] * 3)):
        given = environment(SERVING_READINESS_PROBE=json.dumps(probes), ENABLE_HTTP2_AUTO_DETECTION=value)
        assert [probe.http2 for probe in read(given).probes] == found


def test_no_probe_is_none():
    assert read(environment(SERVING_READINESS_PROBE=None)).probes == ()
