"""A line of the request log, of what Envoy tells. That Envoy tells it is for tests/envoy."""

from __future__ import annotations

import pytest

from knet.dataplane.queue_log import line
from knet.dataplane.queue_seen import record
from knet.dataplane.queue_settings import read
from knet.text.gotemplate import compile_template
from unit.dataplane.environments import environment

SETTINGS = read(environment())
TOLD = {
    "method": "POST",
    "uri": "/a/b?c=d",
    "host": "h.example.com",
    "protocol": "HTTP/2",
    "peer": "10.0.0.1:4711",
    "agent": None,
    "referer": None,
    "length": None,
    "coding": None,
    "received": 0,
    "status": 201,
    "sent": 7,
    "began": "1700000000000000",
    "ended": "1700000000001500",
    "headers": {"traceparent": None, "x-b3-traceid": "b3", "x-one": "1"},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Request.Proto}} {{.Request.ProtoMajor}}{{.Request.ProtoMinor}}", "HTTP/2.0 20"),
        ("{{.Request.URL}} {{.Request.URL.Path}} {{.Request.URL.RawQuery}}", "/a/b?c=d /a/b c=d"),
        ('{{.Request.Header.Get "x-ONE"}}{{.Request.Header.Get "X-Two"}}', "1"),
        ('{{.Request.Header.Values "X-One"}}{{index .Request.Header "X-Two"}}', "[1][]"),
        ("{{.Request.UserAgent}}|{{.Request.RemoteAddr}}", "|10.0.0.1:4711"),
        ("{{.Response.Code}} {{.Response.Size}} {{.Response.Latency}}\n", "201 7 0.0015"),
        ("{{.Revision.Name}}.{{.Revision.Namespace}} {{.Revision.Service}}", "hello-00007.default hello"),
        ("{{.Revision.PodName}} {{.Revision.PodIP}}", "hello-00007-deployment-x 10.1.2.3"),
        ("{{.TraceID}}", "b3"),
    ],
)
def test_what_a_template_sees(template, text):
    assert line(TOLD, SETTINGS, compile_template(template)) == text + "\n"


@pytest.mark.parametrize(
    ("told", "length"),
    [({}, "0"), ({"length": "12"}, "12"), ({"coding": "chunked"}, "-1"), ({"received": 5}, "-1")],
)
def test_a_length_that_is_not_known_is_gos_minus_one(told, length):
    assert line(TOLD | told, SETTINGS, compile_template("{{.Request.ContentLength}}")) == length + "\n"


def test_envoy_is_asked_for_the_headers_that_a_template_names():
    found = record('{{.Request.Header.Get "X-One"}}{{index .Request.Header `X-Two`}}')["headers"]
    assert set(found) == {"x-one", "x-two", "traceparent", "x-b3-traceid"}
