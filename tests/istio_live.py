"""A real istiod on a real API server, with a stock Envoy as its gateway pod, for tests.

The layout is that of Istio's and Knative's own manifests: one pod behind two Services, `istio-ingressgateway` for
outside and `knative-local-gateway` for inside. A stock Envoy has none of Istio's own filters (`istio.alpn`,
`istio.metadata_exchange`, `istio.stats`), so istiod is told to leave them out; routing has no part in them. The Envoy
has no istio-agent beside it either: it speaks to istiod's plaintext port and says who it is by a header which istiod
believes on loopback, as it would believe one of a proxy in front of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway_live import Plane, answering, assets, fronting, process
from knet.backends.kourier.settings import Ports
from knet.envoy.process_find import find_envoy
from knet.kube.resources import GATEWAYS, Resource
from knet.text import json
from ports import free_ports
from real import Real

SYSTEM, SERVING = "istio-system", "knative-serving"
ACCOUNT = "istio-ingressgateway"
SELECTOR = {"istio": "ingressgateway"}
INSIDE = f"knative-local-gateway.{SYSTEM}.svc.cluster.local"
UNTRANSLATED = {"experimental.istio.io/disable-gateway-port-translation": "true"}
"""The label of upstream's knative-local-gateway: its Gateway names the port of the pods, not that of the Service."""

RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings", "RoleBinding")

SETTINGS = {
    "POD_NAME": "istiod",
    "POD_NAMESPACE": SYSTEM,
    "CLUSTER_ID": "Kubernetes",
    # no filters that only Istio's own build of Envoy has
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    # no certificates, no webhooks, no Gateway API: nothing here asks for them
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "PILOT_ENABLE_IP_AUTOALLOCATE": "false",
    # certificates are given to those who say who they are, and only loopback is asked here
    "XDS_AUTH_PLAINTEXT": "true",
    "TRUSTED_GATEWAY_CIDR": "127.0.0.1/32",
}

STATISTICS = {
    "use_all_default_tags": False,
    "stats_tags": [
        {"tag_name": "cluster_name", "regex": r"^cluster(\.(.+);)"},
        {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
        {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
    ],
    "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "cluster.outbound"}]}},
}
"""How the statistics of clusters become metrics with labels, as in Istio's own bootstrap: the names that istiod gives
clusters for statistics have dots in them and end in a semicolon, which Envoy's own patterns do not expect. Istio keeps
few of them: these are what `proxyStatsMatcher: {inclusionPrefixes: [cluster.outbound]}` adds.
"""


def _shared(name: str, number: int) -> dict[str, Any]:
    """One of Knative's two Gateways, as upstream's manifest has it."""
    server = {"hosts": ["*"], "port": {"name": "http", "number": number, "protocol": "HTTP"}}
    return {
        "apiVersion": GATEWAYS.api_version,
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": SERVING},
        "spec": {"selector": SELECTOR, "servers": [server]},
    }


def rights() -> Iterator[tuple[Resource, dict[str, Any]]]:
    """What Istio's own manifest lets the gateway's account read: istiod asks the API before it gives out a Secret."""
    meta = {"name": "istio-ingressgateway-sds", "namespace": SYSTEM}
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}]
    yield ROLES, {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    yield (
        ROLE_BINDINGS,
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": meta["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}],
        },
    )


def bootstrap(host: str, xds: int, admin: int) -> dict[str, Any]:
    """What istio-agent would start the Envoy of a gateway pod with, as far as istiod looks at it."""
    name = f"istio-ingressgateway.{SYSTEM}"
    metadata = {
        "CLUSTER_ID": SETTINGS["CLUSTER_ID"],
        "INSTANCE_IPS": host,
        "ISTIO_VERSION": "1.31.0",
        "LABELS": SELECTOR,
        "MESH_ID": "cluster.local",
        "NAMESPACE": SYSTEM,
        "SERVICE_ACCOUNT": ACCOUNT,
        "WORKLOAD_NAME": "istio-ingressgateway",
    }
    ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    who = f"URI=spiffe://cluster.local/ns/{SYSTEM}/sa/{ACCOUNT}"
    options = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": xds}}
    return {
        "node": {
            "id": f"router~{host}~{name}~{SYSTEM}.svc.cluster.local",
            "cluster": name,
            "metadata": metadata,
        },
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "stats_config": STATISTICS,
        "dynamic_resources": {
            "cds_config": ads,
            "lds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [
                    {
                        "envoy_grpc": {"cluster_name": "xds-grpc"},
                        "initial_metadata": [{"key": "x-forwarded-client-cert", "value": who}],
                    }
                ],
            },
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds-grpc",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": options,
                    "load_assignment": {
                        "cluster_name": "xds-grpc",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ]
        },
    }


@contextmanager
def istio(running: Real, folder: Path, host: str) -> Iterator[Plane]:
    """A real istiod and a real Envoy, its one gateway pod, which listens on `host`."""
    with ExitStack() as stack:
        xds, status, http, https, internal = free_ports(5)
        mesh = folder / "mesh.yaml"
        # clusters would wait for the pod's own certificate, which istio-agent gives out
        mesh.write_text("enableAutoMtls: false\nenableTracing: false\n")
        flags = {
            "kubeconfig": running.kubeconfig,
            "meshConfig": mesh,
            "networksConfig": folder / "no-networks.yaml",
            "grpcAddr": f"127.0.0.1:{xds}",
            "httpAddr": f"127.0.0.1:{status}",
            "httpsAddr": "",
            "secureGRPCAddr": "",
            "monitoringAddr": "",
            "ctrlz_port": 0,
        }
        given = [f"--{k}={v}" for k, v in flags.items()]
        serve = [assets() / "pilot-discovery", "discovery", *given]
        started = stack.enter_context(process("istiod", serve, folder, {**os.environ, **SETTINGS}))
        answering(f"http://127.0.0.1:{status}/ready", started, folder / "istiod.log")
        config = folder / "envoy-istio.json"
        (admin,) = free_ports(1)
        config.write_bytes(json.dumps(bootstrap(host, xds, admin)))
        envoy = [find_envoy(os.environ), "-c", config, "--disable-hot-restart", "--concurrency", "1"]
        stack.enter_context(process("envoy-istio", envoy, folder))
        ingress = {"http2": (80, http), "https": (443, https)}
        inside = {"http2": (80, internal)}
        yield Plane(
            "istio",
            host,
            Ports(http, internal, https, 0, 0, 0),
            (
                *fronting(SYSTEM, "istio-ingressgateway", host, SELECTOR, **ingress),
                *fronting(SYSTEM, "knative-local-gateway", host, UNTRANSLATED, SELECTOR, **inside),
                _shared("knative-ingress-gateway", 80),
                _shared("knative-local-gateway", internal),
            ),
            (INSIDE, 80),
            statistics=(f"127.0.0.1:{admin}",),
            any_case=False,  # net-istio matches authorities by a prefix, which Envoy takes as it is written
        )
