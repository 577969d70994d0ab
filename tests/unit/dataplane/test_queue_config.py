"""What a queue-proxy's Envoy is told. That Envoy does it is for tests/envoy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knet.dataplane.queue_config import QueueBootstrap, limits
from knet.dataplane.queue_settings import Settings, read
from unit.dataplane.environments import environment


def bootstrap(**changes):
    wanted = read(environment(**changes))
    return json.loads(QueueBootstrap(wanted, Path("d")).text())["static_resources"]


def cluster(resources, name):
    return next(c for c in resources["clusters"] if c["name"] == name)


def routes(resources, listener="main"):
    found = next(found for found in resources["listeners"] if found["name"] == listener)
    manager = found["filter_chains"][0]["filters"][0]["typed_config"]
    return manager["route_config"]["virtual_hosts"][0]["routes"]


@pytest.mark.parametrize("concurrency", [1, 5, 10, 99, 100, 101, 150, 1000, 1009])
def test_streams_times_connections_is_the_limit(concurrency):
    breakers, streams = limits(concurrency, http2=True)
    assert breakers["max_connections"] * streams == concurrency
    assert streams <= 100
    assert breakers["max_pending_requests"] == 10 * concurrency


def test_a_connection_for_each_request_of_http1():
    breakers, _ = limits(7, http2=False)
    assert (breakers["max_connections"], breakers["max_pending_requests"]) == (7, 70)


@pytest.mark.parametrize("http2", [True, False])
def test_no_limit_is_not_envoys_own(http2):
    breakers, streams = limits(0, http2=http2)
    assert min(breakers.values()) > 10**9
    assert streams == 0


@pytest.mark.parametrize(
    ("port", "protocol"), [("8012", "http_protocol_options"), ("8013", "http2_protocol_options")]
)
def test_the_protocol_is_said_explicitly(port, protocol):
    user = cluster(bootstrap(QUEUE_SERVING_PORT=port, CONTAINER_CONCURRENCY="3"), "user")
    (options,) = user["typed_extension_protocol_options"].values()
    assert list(options["explicit_http_config"]) == [protocol]


def test_timeouts_of_a_request():
    made = bootstrap(
        REVISION_TIMEOUT_SECONDS="9",
        REVISION_RESPONSE_START_TIMEOUT_SECONDS="4",
        REVISION_IDLE_TIMEOUT_SECONDS="2",
    )
    *_, websocket, plain = (r["route"] for r in routes(made))
    assert plain["max_stream_duration"] == {"max_stream_duration": "9s"}
    assert plain["retry_policy"]["per_try_timeout"] == "4s"
    assert plain["idle_timeout"] == "2s"
    assert (websocket["timeout"], websocket["idle_timeout"]) == ("2s", "0s")
    assert "max_stream_duration" not in websocket


def test_no_timeout_is_not_envoys_own():
    *_, websocket, plain = (r["route"] for r in routes(bootstrap(REVISION_TIMEOUT_SECONDS="0")))
    assert (plain["timeout"], plain["idle_timeout"], websocket["timeout"]) == ("0s", "0s", "0s")
    assert "max_stream_duration" not in plain


@pytest.mark.parametrize(
    ("concurrency", "start", "timeout", "twice"),
    [
        ("5", "4", "9", True),
        ("5", "4", "0", True),
        ("0", "4", "9", False),
        ("5", "9", "9", False),
        ("5", "0", "9", False),
    ],
)
def test_a_second_pass_only_where_queue_and_clock_need_it(concurrency, start, timeout, twice):
    made = bootstrap(
        CONTAINER_CONCURRENCY=concurrency,
        REVISION_RESPONSE_START_TIMEOUT_SECONDS=start,
        REVISION_TIMEOUT_SECONDS=timeout,
    )
    to = routes(made)[-1]["route"]["cluster"]
    assert to == ("inner" if twice else "user")
    assert ("inner" in {c["name"] for c in made["clusters"]}) == twice
    assert ("inner" in {found["name"] for found in made["listeners"]}) == twice


def test_tls_where_there_is_a_certificate():
    wanted = Settings("n", "c", "r", "p", "0.0.0.0", 8012, 8080, certificate="/certs")
    made = QueueBootstrap(wanted, Path("d")).data()["static_resources"]["listeners"]
    ports = {found["name"]: found["address"]["socket_address"]["port_value"] for found in made}
    assert ports == {"main": 8012, "tls": 8112}
