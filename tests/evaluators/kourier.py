"""Reads knet's Envoy resources back: listener → scope key → scope → RouteConfiguration → route.

From Envoy's documentation of scoped routes, early header mutation and the HTTP connection manager.
"""

from __future__ import annotations

from typing import Any

from evaluators import Verdict
from evaluators.envoy import Headers, arriving, decide, filter_chain, virtual_host
from knet.routing.match import Request
from knet.routing.table import Visibility

Documents = dict[str, list[dict[str, Any]]]

PORTS = {
    ("http", Visibility.EXTERNAL): 8080,
    ("http", Visibility.INTERNAL): 8081,
    ("https", Visibility.EXTERNAL): 8443,
    ("https", Visibility.INTERNAL): 8444,
}


def evaluate(documents: Documents, request: Request, port: int | None = None) -> Verdict:
    """What the gateway does; `port` picks another listener than the usual one."""
    port = port or PORTS[request.scheme, request.visibility]
    listener = next((x for x in documents["listeners"] if _port(x) == port), None)
    server_name = request.host.lower().partition(":")[0]
    chain = filter_chain(listener, server_name) if listener else None
    if chain is None:
        return Verdict("no certificate" if request.scheme == "https" else "not found")
    manager = chain["filters"][0]["typedConfig"]
    headers = arriving(request)
    _early(manager, headers)
    host = request.host.removesuffix(".") if manager.get("stripTrailingHostDot") else request.host
    if any("string.lower(host)" in str(f) for f in manager["httpFilters"]):
        host = host.lower()
    config = _scoped(documents, manager, headers, host)
    found = virtual_host(config, host) if config else None
    return decide(found, request.path, headers) if found else Verdict("not found")


def _port(listener: dict[str, Any]) -> int:
    return listener["address"]["socketAddress"]["portValue"]


def _early(manager: dict[str, Any], headers: Headers) -> None:
    for extension in manager["earlyHeaderMutationExtensions"]:
        for mutation in extension["typedConfig"]["mutations"]:
            added = mutation["append"]
            assert added["appendAction"] == "OVERWRITE_IF_EXISTS_OR_ADD"
            headers[added["header"]["key"]] = added["header"]["value"]


def _scoped(
    documents: Documents, manager: dict[str, Any], headers: Headers, host: str
) -> dict[str, Any] | None:
    """The RouteConfiguration that the request's scope names."""
    key = []
    for fragment in manager["scopedRoutes"]["scopeKeyBuilder"]["fragments"]:
        extractor = fragment["headerValueExtractor"]
        value = host if extractor["name"] == ":authority" else headers.get(extractor["name"], "")
        separator = extractor.get("elementSeparator")
        key.append(value.split(separator)[extractor["index"]] if separator else value)
    matching = [
        s for s in documents["scopedRoutes"] if [f["stringKey"] for f in s["key"]["fragments"]] == key
    ]
    assert len(matching) < 2, f"scope key {key} is not unique"
    if not matching:
        return None
    name = matching[0]["routeConfigurationName"]
    return next(r for r in documents["routes"] if r["name"] == name)
