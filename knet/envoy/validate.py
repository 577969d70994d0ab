"""Rendered resources as one static bootstrap, for `envoy --mode validate`.

Over xDS, Envoy checks a resource when it gets it; `--mode validate` checks only what a bootstrap holds. So
clusters get their endpoints inline, TLS contexts their Secrets by name, listeners their scopes, and every
RouteConfiguration a filter chain of its own on one more listener.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.envoy.build.documents import protojson

Resources = Mapping[str, Mapping[str, bytes]]
Json = dict[str, Any]

_FIRST_PORT = 1024
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = {
    "name": "envoy.filters.http.router",
    "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
_XDS = "knet-xds"


def static_bootstrap(sets: Sequence[Resources]) -> Json:
    """A bootstrap with everything in some sets of rendered resources (protojson).

    Each set keeps its names apart from those of the others, and every listener has a port of its own.
    Secrets are in it as they are: it is for Envoy's eyes only.
    """
    listeners: list[Json] = []
    clusters: list[Json] = [_xds_cluster()]
    secrets: list[Json] = []
    for index, resources in enumerate(sets):
        made = {s: [protojson(s, b) for _, b in sorted(found.items())] for s, found in resources.items()}
        prefix = f"{index}/"
        assignments = {e["clusterName"]: e for e in made.get("endpoints", [])}
        clusters += [_renamed(_static(c, assignments), prefix) for c in made.get("clusters", [])]
        secrets += [s | {"name": prefix + s["name"]} for s in made.get("secrets", [])]
        scopes = made.get("scopedRoutes", [])
        listeners += [_renamed(_with_scopes(x, scopes), prefix) for x in made.get("listeners", [])]
        listeners.append(_renamed(_routes_listener(made.get("routes", [])), prefix))
    for port, listener in enumerate(listeners, _FIRST_PORT):
        for address in (listener, *listener.get("additionalAddresses", ())):
            address["address"]["socketAddress"]["portValue"] = port
    return {
        "node": {"id": "validate", "cluster": "validate"},
        "dynamicResources": {
            "adsConfig": {
                "apiType": "DELTA_GRPC",
                "transportApiVersion": "V3",
                "grpcServices": [{"envoyGrpc": {"clusterName": _XDS}}],
            }
        },
        "staticResources": {"listeners": listeners, "clusters": clusters, "secrets": secrets},
    }


def _static(cluster: Json, assignments: Mapping[str, Json]) -> Json:
    """A cluster with its endpoints inline."""
    if cluster.get("type") != "EDS":
        return cluster
    made = {k: v for k, v in cluster.items() if k not in ("type", "edsClusterConfig")}
    return made | {"type": "STATIC", "loadAssignment": assignments[cluster["name"]]}


def _with_scopes(listener: Json, scopes: Sequence[Json]) -> Json:
    """A listener whose connection managers have their scopes inline.

    Envoy takes these only with the RouteConfiguration inside; empty ones do, as all are checked apart.
    (Two scopes with one key pass here; over SRDS they would not. A scope's name is its key, so that
    there cannot be two.)
    """
    inline = [
        {"name": s["name"], "key": s["key"], "routeConfiguration": {"name": s["routeConfigurationName"]}}
        for s in scopes
    ]
    for manager in _managers(listener):
        scoped = manager["scopedRoutes"]
        scoped.pop("scopedRds")
        scoped.pop("rdsConfigSource")
        scoped["scopedRouteConfigurationsList"] = {"scopedRouteConfigurations": inline}
    return listener


def _managers(listener: Json) -> Iterator[Json]:
    for chain in listener["filterChains"]:
        for found in chain["filters"]:
            yield found["typedConfig"]


def _routes_listener(routes: Sequence[Json]) -> Json:
    """A listener with a filter chain for each RouteConfiguration."""
    chains = []
    for i, config in enumerate(routes):
        manager = {"@type": _HCM, "statPrefix": "validate", "routeConfig": config, "httpFilters": [_ROUTER]}
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typedConfig": manager}]
        chains.append({"filterChainMatch": {"serverNames": [f"{i}.routes"]}, "filters": filters})
    address = {"socketAddress": {"address": "127.0.0.1", "portValue": 0}}
    return {"name": "routes", "address": address, "filterChains": chains}


def _renamed(data: Any, prefix: str) -> Any:
    """The same with every name of a cluster, Secret or listener prefixed, and Secrets taken from here."""
    if isinstance(data, list):
        return [_renamed(v, prefix) for v in data]
    if not isinstance(data, dict):
        return data
    made = {k: _renamed(v, prefix) for k, v in data.items() if k != "sdsConfig"}
    if "sdsConfig" in data or _names_cluster(data):
        made["name"] = prefix + data["name"]
    for key in ("clusterName", "cluster"):
        if isinstance(data.get(key), str):
            made[key] = prefix + data[key]
    return made


def _names_cluster(data: Json) -> bool:
    """Whether the `name` in it is that of a cluster (itself, or a share of a route) or a listener."""
    return "weight" in data or "connectTimeout" in data or "filterChains" in data


def _xds_cluster() -> Json:
    h2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicitHttpConfig": {"http2ProtocolOptions": {}},
    }
    return {
        "name": _XDS,
        "type": "STATIC",
        "connectTimeout": "1s",
        "typedExtensionProtocolOptions": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": h2},
        "loadAssignment": {"clusterName": _XDS, "endpoints": []},
    }
