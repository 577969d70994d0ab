"""The control plane against a real Envoy, with resources made by hand."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - Any needs to know it
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401
    http_connection_manager_pb2,
)
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2  # noqa: F401
from google.protobuf import json_format

from knet.envoy.snapshot import CLUSTER, ENDPOINT, ROUTE, SCOPE, Snapshot
from knet.envoy.status import refusals

pytestmark = pytest.mark.envoy

ANY = "type.googleapis.com/envoy.extensions."
ADS = {"ads": {}, "resource_api_version": "V3"}


def packed(message, data) -> bytes:
    return json_format.ParseDict(data, message).SerializeToString()


def listener() -> bytes:
    scope_key = [
        {"header_value_extractor": {"name": "x-knet-scope", "index": 0}},
        {"header_value_extractor": {"name": ":authority", "element_separator": ":", "index": 0}},
    ]
    mutation = {
        "append": {
            "header": {"key": "x-knet-scope", "value": "ext"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    manager = {
        "@type": ANY + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ext",
        "early_header_mutation_extensions": [
            {
                "name": "scope",
                "typed_config": {
                    "@type": ANY + "http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [mutation],
                },
            }
        ],
        "scoped_routes": {
            "name": "scopes",
            "scope_key_builder": {"fragments": scope_key},
            "rds_config_source": ADS | {"initial_fetch_timeout": "15s"},
            "scoped_rds": {"scoped_rds_config_source": ADS},
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": ANY + "filters.http.router.v3.Router"}}
        ],
    }
    return packed(
        listener_pb2.Listener(),
        {
            "name": "ext",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
        },
    )


def cluster(name: str, timeout: str = "1s") -> bytes:
    data = {
        "name": name,
        "type": "EDS",
        "connect_timeout": timeout,
        "eds_cluster_config": {"eds_config": ADS},
    }
    return packed(cluster_pb2.Cluster(), data)


def endpoints(name: str, port: int) -> bytes:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    data = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    return packed(endpoint_pb2.ClusterLoadAssignment(), data)


def route(name: str, *hosts: str, **weights: int) -> bytes:
    splits = [{"name": target, "weight": weight} for target, weight in weights.items()]
    routes = [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": splits}}}]
    virtual_hosts = [{"name": f"{i}", "domains": [host], "routes": routes} for i, host in enumerate(hosts)]
    return packed(
        route_pb2.RouteConfiguration(),
        {"name": name, "virtual_hosts": virtual_hosts, "ignore_port_in_host_matching": True},
    )


def bad_route(name: str, host: str, **weights: int) -> bytes:
    """Two virtual hosts for one domain."""
    return route(name, host, host, **weights)


def scope(host: str, to: str) -> tuple[str, bytes]:
    key = {"fragments": [{"string_key": "ext"}, {"string_key": host}]}
    data = {"name": f"ext|{host}", "route_configuration_name": to, "key": key}
    return f"ext|{host}", packed(scoped_route_pb2.ScopedRouteConfiguration(), data)


def service(host: str, name: str, **weights: int):
    return {"routes": {name: route(name, host, **weights)}, "scopedRoutes": dict([scope(host, name)])}


@pytest.fixture
async def live(gateway, backends, client):
    """Two revisions, and one host `a.test` that is routed to the first."""
    gateway.ports = {name: await backends(name) for name in ("v1", "v2")}
    snapshot = Snapshot.of(
        {
            "listeners": {"ext": listener()},
            "clusters": {name: cluster(name) for name in gateway.ports},
            "endpoints": {name: endpoints(name, port) for name, port in gateway.ports.items()},
        }
        | service("a.test", "rc/a", v1=1)
    )
    await gateway.start(snapshot)
    gateway.client = client(await gateway.address("ext"))
    return gateway


async def test_a_route_and_a_canary_step_without_a_lost_request(live):
    assert await live.client.get("a.test") == (200, "v1")
    assert await live.client.get("a.test:8080") == (200, "v1")
    assert (await live.client.get("b.test"))[0] == 404
    async with live.client.load("a.test") as seen:
        snapshot = live.server.snapshot
        for weight in range(0, 101, 10):
            snapshot = snapshot.apply(
                {"routes": {"rc/a": route("rc/a", "a.test", v1=100 - weight, v2=weight)}}
            )
            assert await live.publish(snapshot, [(ROUTE, "rc/a")])
        for _ in range(20):
            assert await live.client.get("a.test") == (200, "v2")
    assert set(seen) <= {(200, "v1"), (200, "v2")}
    assert seen.total() > 0


async def test_a_refused_route_keeps_its_last_version_and_blocks_nobody(live):
    before = live.server.snapshot.apply(service("b.test", "rc/b", v1=1))
    assert await live.publish(before, [(ROUTE, "rc/b"), (SCOPE, "ext|b.test")])
    after = before.apply(
        {"routes": {"rc/a": bad_route("rc/a", "a.test", v2=1), "rc/b": route("rc/b", "b.test", v2=1)}}
    )
    outcome = await live.publish(after, [(ROUTE, "rc/a")])
    assert not outcome
    [finding] = refusals(live.server.streams)
    assert "rc/a" in finding.message
    assert "a.test" in finding.message  # Envoy's own words: which domain is there twice
    assert await live.publish(after, [(ROUTE, "rc/b")])
    assert await live.client.get("a.test") == (200, "v1")
    assert await live.client.get("b.test") == (200, "v2")
    mended = after.apply({"routes": {"rc/a": route("rc/a", "a.test", v2=1)}})
    assert await live.publish(mended, [(ROUTE, "rc/a")])
    assert await live.client.get("a.test") == (200, "v2")
    assert refusals(live.server.streams) == ()


async def test_a_bad_one_in_a_full_load_stands_in_nobody_elses_way(gateway, backends, client):
    port = await backends("v1")
    hosts = [f"h{i}.test" for i in range(120)]
    parts = [service(host, f"rc/{host}", v1=1) for host in hosts]
    snapshot = Snapshot.of(
        {
            "listeners": {"ext": listener()},
            "clusters": {
                "v1": cluster("v1"),
                "bad": packed(cluster_pb2.Cluster(), {"name": "bad", "type": "EDS"}),
            },
            "endpoints": {"v1": endpoints("v1", port), "bad": endpoints("bad", port)},
            "routes": {n: b for part in parts for n, b in part["routes"].items()}
            | {"rc/h7.test": bad_route("rc/h7.test", "h7.test", v1=1)},
            "scopedRoutes": {n: b for part in parts for n, b in part["scopedRoutes"].items()},
        }
    )
    await gateway.start(snapshot)
    good = {
        (url, name): found.version
        for url in (CLUSTER, ROUTE)
        for name, found in snapshot.of_type(url).items()
        if name not in ("bad", "rc/h7.test")
    }
    assert await asyncio.wait_for(gateway.server.acked(good), 30)
    asker = client(await gateway.address("ext"))
    statuses = Counter([(host, (await asker.get(host))[0]) for host in hosts])
    assert [host for host, status in statuses if status != 200] == ["h7.test"]
    told = {finding.message.split(":")[0] for finding in refusals(gateway.server.streams)}
    assert told == {"clusters bad", "routes rc/h7.test"}


async def test_a_control_plane_that_comes_back_sends_nothing_and_loses_nothing(live):
    snapshot = live.server.snapshot
    wanted = {(ROUTE, "rc/a"): snapshot.get(ROUTE, "rc/a").version}
    assert await asyncio.wait_for(live.server.acked(wanted), 30)
    async with live.client.load("a.test") as seen:
        await live.restart_control_plane(
            Snapshot.of(
                {
                    url: {n: r.body for n, r in snapshot.of_type(url).items()}
                    for url in (CLUSTER, ENDPOINT, ROUTE, SCOPE)
                }
                | {"listeners": {"ext": listener()}}
            )
        )
        assert await asyncio.wait_for(live.server.acked(wanted), 30)
        [stream] = live.server.streams
        assert stream.sent_bytes == 0
        after = live.server.snapshot.apply({"routes": {"rc/a": route("rc/a", "a.test", v2=1)}})
        assert await live.publish(after, [(ROUTE, "rc/a")])
        assert await live.client.get("a.test") == (200, "v2")
    assert set(seen) <= {(200, "v1"), (200, "v2")}
    assert seen.total() > 0


async def test_a_host_appears_and_goes_without_an_error_between(live):
    async with live.client.load("b.test") as seen:
        changes = service("b.test", "rc/b", v3=1)
        changes |= {"clusters": {"v3": cluster("v3")}, "endpoints": {"v3": endpoints("v3", live.ports["v2"])}}
        there = live.server.snapshot.apply(changes)
        assert await live.publish(there, [(ROUTE, "rc/b"), (SCOPE, "ext|b.test")])
        assert await live.client.get("b.test") == (200, "v2")
        gone = there.apply(
            {
                "routes": {"rc/b": None},
                "scopedRoutes": {"ext|b.test": None},
                "clusters": {"v3": None},
                "endpoints": {"v3": None},
            }
        )
        assert await live.publish(gone, [(SCOPE, "ext|b.test"), (CLUSTER, "v3"), (ROUTE, "rc/b")])
        assert (await live.client.get("b.test"))[0] == 404
    assert set(seen) <= {(404, ""), (200, "v2")}
    assert "v3" not in await live.envoy.admin("/clusters")


async def test_a_changed_cluster_is_warm_at_once(live):
    async with live.client.load("a.test") as seen:
        after = live.server.snapshot.apply({"clusters": {"v1": cluster("v1", "3s")}})
        assert await live.publish(after, [(CLUSTER, "v1"), (ENDPOINT, "v1")], within=5)
        assert await live.client.get("a.test") == (200, "v1")
    assert set(seen) == {(200, "v1")}


async def test_a_host_is_handed_over_without_a_gap(live):
    async with live.client.load("a.test") as seen:
        snapshot = live.server.snapshot
        for turn in range(10):
            name = f"rc/turn-{turn}"
            old = {found.references[0][1] for found in snapshot.of_type(SCOPE).values()}
            changes = service("a.test", name, v2=1)
            changes["routes"] |= dict.fromkeys(old, None)
            snapshot = snapshot.apply(changes)
            assert await live.publish(snapshot, [(SCOPE, "ext|a.test"), (ROUTE, name)])
    assert set(seen) <= {(200, "v1"), (200, "v2")}


async def test_an_envoy_that_is_killed_comes_back_and_serves(live):
    first = live.envoy.pid
    os.kill(first, signal.SIGKILL)
    while live.envoy.restarts == 0 or live.envoy.pid is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await live.envoy.ready()
    assert live.envoy.pid != first
    live.client.url = "http://{}:{}".format(*await live.address("ext"))
    assert await live.client.get("a.test") == (200, "v1")


async def test_stopping_lets_a_request_finish(live, backends):
    request = asyncio.create_task(live.client.get("a.test", "/slow"))
    await asyncio.wait_for(backends.waiting.wait(), 30)
    stopping = asyncio.create_task(live.envoy.stop())
    asyncio.get_running_loop().call_later(0.3, backends.release.set)  # how long the request takes
    assert await request == (200, "v1")
    await stopping
    assert live.envoy.pid is None
