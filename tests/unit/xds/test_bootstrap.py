"""Bootstraps are what Envoy's protobuf says, and what 10,000 services need."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - for Any
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401 - for Any
from google.protobuf import json_format

from knet.envoy.bootstrap import Bootstrap, ClientTls, Tcp, Unix

XDS = Tcp("127.0.0.1", 18000)


def parsed(made: Bootstrap) -> bootstrap_pb2.Bootstrap:
    return json_format.Parse(made.text(), bootstrap_pb2.Bootstrap())


def test_delta_xds_with_one_introduction():
    ads = parsed(Bootstrap("n1", XDS)).dynamic_resources.ads_config
    assert ads.api_type == ads.DELTA_GRPC
    assert ads.set_node_on_first_message_only
    assert [s.envoy_grpc.cluster_name for s in ads.grpc_services] == ["xds"]


def test_stats_that_20000_clusters_can_bear():
    made = parsed(Bootstrap("n1", XDS))
    assert made.deferred_stat_options.enable_deferred_creation_stats
    assert made.stats_flush_on_admin
    patterns = made.stats_config.stats_matcher.inclusion_list.patterns

    def kept(name: str) -> bool:
        return any(re.fullmatch(p.safe_regex.regex, name) for p in patterns)

    assert kept("http.ingress_http.downstream_rq_active")
    assert kept("cluster.xds.upstream_cx_active")
    assert not kept("http.ingress_http.rds.default/hello.update_success")
    assert not kept("cluster.default/hello-00001.upstream_cx_active")
    assert not kept("cluster.default/hello-00001.external.upstream_rq_completed")
    for what in ("completed", "5xx", "time"):
        assert kept(f"cluster.default/hello-00001.upstream_rq_{what}")
        assert kept(f"cluster.default/hello-00001:8080/plain.upstream_rq_{what}")


def test_admin_is_on_loopback_unless_it_is_a_file():
    assert parsed(Bootstrap("n1", XDS)).admin.address.socket_address.address == "127.0.0.1"
    made = parsed(Bootstrap("n1", XDS, admin=Unix(Path("/run/admin"))))
    assert made.admin.address.pipe.path == "/run/admin"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (XDS, "STATIC"),
        (Tcp("::1", 1), "STATIC"),
        (Unix(Path("/run/xds")), "STATIC"),
        (Tcp("knet.knative-serving.svc", 18000), "STRICT_DNS"),
    ],
)
def test_the_control_plane_is_found_by_address_or_name(address, kind):
    [cluster] = parsed(Bootstrap("n1", address)).static_resources.clusters
    assert cluster.DiscoveryType.Name(cluster.type) == kind
    [endpoint] = cluster.load_assignment.endpoints[0].lb_endpoints
    assert endpoint.endpoint.address.WhichOneof("address") == (
        "pipe" if isinstance(address, Unix) else "socket_address"
    )


def test_mutual_tls_checks_the_servers_name():
    files = [Path(f"/tls/{name}") for name in ("chain", "key", "root")]
    [cluster] = parsed(Bootstrap("n1", XDS, tls=ClientTls(*files, "knet.test"))).static_resources.clusters
    context = tls_pb2.UpstreamTlsContext()
    assert cluster.transport_socket.typed_config.Unpack(context)
    assert context.sni == "knet.test"
    common = context.common_tls_context
    assert common.tls_certificates[0].private_key.filename == "/tls/key"
    [name] = common.validation_context.match_typed_subject_alt_names
    assert name.matcher.exact == "knet.test"


def test_it_is_a_pure_function():
    assert Bootstrap("n1", XDS).text() == Bootstrap("n1", XDS).text()
    assert json.loads(Bootstrap("n1", XDS).text())["node"] == {"id": "n1", "cluster": "knet"}


def test_statistics_can_be_read_from_elsewhere_and_nothing_else():
    assert not parsed(Bootstrap("n1", XDS)).static_resources.listeners
    made = parsed(Bootstrap("n1", XDS, Unix(Path("/run/admin.sock")), statistics=Tcp("0.0.0.0", 9000)))
    (listener,) = made.static_resources.listeners
    assert listener.address.socket_address.port_value == 9000
    assert {c.name for c in made.static_resources.clusters} == {"xds", "admin"}
    manager = http_connection_manager_pb2.HttpConnectionManager()
    assert listener.filter_chains[0].filters[0].typed_config.Unpack(manager)
    (host,) = manager.route_config.virtual_hosts
    (route,) = host.routes
    assert route.match.path == "/stats"
    assert route.match.headers[0].string_match.exact == "GET"
