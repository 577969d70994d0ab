"""Routes and endpoints from fragments, read back as messages."""

from __future__ import annotations

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_components_pb2 as rc
from envoy.config.route.v3 import route_pb2

from knet.envoy.build import routes
from knet.envoy.build.endpoints import load_assignment


def test_a_route_reads_back():
    targets = [routes.Target("a/x", 90, (("A", "100%"),)), routes.Target("a/y", 0, host_rewrite="y.com")]
    body = routes.forward(
        routes.match("/p", (("h", "v"), ("any", ""))),
        routes.action(targets, "z.com"),
        routes.set_headers((("B", "%REQ(X)%"), ("E", ""))),
    )
    route = rc.Route.FromString(body)
    assert route.match.prefix == "/p"
    assert [(m.name, m.string_match.exact, m.present_match) for m in route.match.headers] == [
        ("h", "v", False),
        ("any", "", True),
    ]
    assert route.route.host_rewrite_literal == "z.com"
    assert route.route.HasField("timeout")
    assert route.route.timeout.ToMilliseconds() == 0
    assert [u.upgrade_type for u in route.route.upgrade_configs] == ["websocket"]
    first, second = route.route.weighted_clusters.clusters
    assert (first.name, first.weight.value, second.weight.value) == ("a/x", 90, 0)
    assert first.request_headers_to_add[0].header.value == "100%%"
    assert second.host_rewrite_literal == "y.com"
    assert [o.header.value for o in route.request_headers_to_add] == ["%%REQ(X)%%", ""]
    assert route.request_headers_to_add[1].keep_empty_value


def test_a_configuration_reads_back():
    host = routes.virtual_host(
        "a.com", ["a.com", "b.com"], [routes.redirect(routes.match("", ()))], tls_only=True
    )
    made = route_pb2.RouteConfiguration.FromString(routes.route_configuration("rc/a/b", [host]))
    assert made.name == "rc/a/b"
    assert made.ignore_port_in_host_matching
    assert list(made.request_headers_to_remove) == ["x-knet-scope"]
    assert made.virtual_hosts[0].name == "a.com"
    assert made.virtual_hosts[0].require_tls == rc.VirtualHost.ALL
    assert made.virtual_hosts[0].routes[0].redirect.https_redirect
    assert made.virtual_hosts[0].routes[0].match.prefix == "/"


def test_endpoints_read_back():
    body = load_assignment("a/x", [("10.0.0.1", 80), ("::1", 65535)])
    made = endpoint_pb2.ClusterLoadAssignment.FromString(body)
    found = [e.endpoint.address.socket_address for x in made.endpoints for e in x.lb_endpoints]
    assert [(a.address, a.port_value) for a in found] == [("10.0.0.1", 80), ("::1", 65535)]
    assert not endpoint_pb2.ClusterLoadAssignment.FromString(load_assignment("a/x", [])).endpoints
