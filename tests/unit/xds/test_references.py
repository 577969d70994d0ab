"""Which resources a resource names."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401 - for Any
    http_connection_manager_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2  # noqa: F401 - for Any
from google.protobuf import json_format

from knet.envoy.snapshot import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET
from knet.envoy.snapshot_references import references

ADS = {"ads": {}}
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def of(type_url, message, data):
    return references(type_url, "it", json_format.ParseDict(data, message).SerializeToString())


def socket(kind, common):
    return {"name": "tls", "typed_config": {"@type": TLS + kind, "common_tls_context": common}}


def chain(*, tls=None, manager=None):
    made = {}
    if tls:
        made["transport_socket"] = socket("DownstreamTlsContext", tls)
    if manager:
        typed = {"@type": HCM, "stat_prefix": "x"} | manager
        made["filters"] = [{"name": "hcm", "typed_config": typed}]
    return made


SDS = {"name": "certificate", "sds_config": ADS}
INLINE = {
    "virtual_hosts": [
        {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}
    ]
}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}, ((ENDPOINT, "it"),)),
        ({"type": "EDS", "eds_cluster_config": {"eds_config": ADS, "service_name": "e"}}, ((ENDPOINT, "e"),)),
        ({"type": "STRICT_DNS"}, ()),
        (
            {
                "type": "STATIC",
                "transport_socket": socket(
                    "UpstreamTlsContext",
                    {
                        "tls_certificate_sds_secret_configs": [SDS, {"name": "of the bootstrap"}],
                        "combined_validation_context": {
                            "default_validation_context": {},
                            "validation_context_sds_secret_config": {"name": "ca", "sds_config": ADS},
                        },
                    },
                ),
            },
            ((SECRET, "certificate"), (SECRET, "ca")),
        ),
    ],
)
def test_clusters(data, named):
    assert of(CLUSTER, cluster_pb2.Cluster(), {"name": "it"} | data) == named


def test_routes():
    action = {
        "weighted_clusters": {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]},
        "request_mirror_policies": [{"cluster": "m"}],
    }
    routes = [
        {"match": {"prefix": "/"}, "route": action},
        {"match": {"prefix": "/"}, "route": {"cluster": "a"}},
        {"match": {"prefix": "/"}, "redirect": {"https_redirect": True}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
    ]
    data = {"name": "it", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
    assert of(ROUTE, route_pb2.RouteConfiguration(), data) == ((CLUSTER, "a"), (CLUSTER, "b"), (CLUSTER, "m"))


@pytest.mark.parametrize(
    ("chains", "named"),
    [
        ([chain(tls={"tls_certificate_sds_secret_configs": [SDS]})], ((SECRET, "certificate"),)),
        ([chain(tls={"validation_context_sds_secret_config": SDS})], ((SECRET, "certificate"),)),
        ([chain(manager={"rds": {"route_config_name": "r", "config_source": ADS}})], ((ROUTE, "r"),)),
        ([chain(manager={"route_config": INLINE})], ((CLUSTER, "c"),)),
        ([{"filters": [{"name": "other"}]}], ()),
    ],
)
@pytest.mark.parametrize("place", ["filter_chains", "default_filter_chain"])
def test_listeners(chains, named, place):
    data = {"name": "it", place: chains if place == "filter_chains" else chains[0]}
    assert of(LISTENER, listener_pb2.Listener(), data) == named
