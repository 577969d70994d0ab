"""What Envoy does with a request, given the resources that were rendered for it.

Listener by port, filter chain by server name, scope by visibility and host, virtual host by domain,
first route that matches: as Envoy documents it (config.route.v3, scoped routes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knet.backends.decided import Decided, Sent, bare_path, combined, forwarded, shares
from knet.routing.match import Outcome, Request
from knet.routing.passes.hosts import normal
from knet.routing.table import Visibility

FORWARDED_PROTO = "x-forwarded-proto"
PORTS = {
    ("http", Visibility.EXTERNAL): 8080,
    ("http", Visibility.INTERNAL): 8081,
    ("https", Visibility.EXTERNAL): 8443,
    ("https", Visibility.INTERNAL): 8444,
}


def decide(documents: dict[str, list[dict[str, Any]]], request: Request) -> Decided:
    """The decision of Envoy on `documents`, what `knet render -o json` prints."""
    host = normal(request.host)
    port = PORTS[request.scheme, request.visibility]
    listener = next((x for x in documents["listeners"] if _port(x) == port), None)
    if listener is None or not _chain(listener, host):
        missing = Outcome.NO_CERTIFICATE if request.scheme == "https" else Outcome.NOT_FOUND
        return Decided(missing, by=f"no filter chain on port {port} for {host}")
    key = [request.visibility.value, host]
    scope = next((s for s in documents["scopedRoutes"] if _key(s) == key), None)
    if scope is None:
        return Decided(Outcome.NOT_FOUND, by=f"no scope {'|'.join(key)}")
    name = scope["routeConfigurationName"]
    config = next(r for r in documents["routes"] if r["name"] == name)
    found = _virtual_host(config.get("virtualHosts", []), host)
    if found is None:
        return Decided(Outcome.NOT_FOUND, by=f"{name} has no virtual host for {host}")
    return _route(found, request, f"{name} {found['name']}")


def _port(listener: dict[str, Any]) -> int:
    return int(listener["address"]["socketAddress"]["portValue"])


def _chain(listener: dict[str, Any], host: str) -> bool:
    """Whether a filter chain takes the connection: by server name, exact or wildcard, or any."""
    names = [c.get("filterChainMatch", {}).get("serverNames", []) for c in listener["filterChains"]]
    return any(not n or any(_covers(pattern, host) for pattern in n) for n in names)


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*"):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return pattern.lower() == host


def _key(scope: dict[str, Any]) -> list[str]:
    return [f["stringKey"] for f in scope["key"]["fragments"]]


def _virtual_host(hosts: Iterable[dict[str, Any]], host: str) -> dict[str, Any] | None:
    """An exact domain first, then the longest wildcard."""
    best: tuple[int, dict[str, Any]] | None = None
    for candidate in hosts:
        for domain in candidate["domains"]:
            name = domain.lower().removesuffix(":*")
            rank = 1000 if name == host else len(name) if "*" in name and _covers(name, host) else 0
            if rank and (best is None or rank > best[0]):
                best = rank, candidate
    return best[1] if best else None


def _route(host: dict[str, Any], request: Request, name: str) -> Decided:
    headers = {FORWARDED_PROTO: request.scheme} | combined(request)
    if host.get("requireTls") in ("ALL", "EXTERNAL_ONLY") and request.scheme == "http":
        return Decided(Outcome.REDIRECT, by=f"{name} requires TLS")
    for i, route in enumerate(host.get("routes", [])):
        match = route["match"]
        if bare_path(request).startswith(match.get("prefix", "/")) and all(
            _holds(m, headers) for m in match.get("headers", [])
        ):
            by = f"{name} routes[{i}]"
            return Decided(Outcome.REDIRECT, by=by) if "redirect" in route else _forward(route, by)
    return Decided(Outcome.NOT_FOUND, by=f"no route of {name}")


def _holds(matcher: dict[str, Any], headers: dict[str, str]) -> bool:
    """Exact value, or presence where no value is asked for; inverted or not. A missing header fails."""
    value = headers.get(matcher["name"].lower())
    wanted = matcher.get("stringMatch", {}).get("exact")
    inverted = matcher.get("invertMatch", False)
    return value is not None and (wanted is None or value == wanted) is not inverted


def _forward(route: dict[str, Any], by: str) -> Decided:
    action = route["route"]
    clusters = action.get("weightedClusters", {}).get("clusters") or [{"name": action.get("cluster", "")}]
    parts = shares([c.get("weight", 0) for c in clusters])
    return forwarded(
        [_sent(c, route, action, part) for c, part in zip(clusters, parts, strict=True)],
        by,
    )


def _sent(cluster: dict[str, Any], route: dict[str, Any], action: dict[str, Any], part: float) -> Sent:
    """Edits of the route come after those of the cluster, and overwrite them."""
    edits = {
        option["header"]["key"].lower(): option["header"].get("value", "").replace("%%", "%")
        for holder in (cluster, route)
        for option in holder.get("requestHeadersToAdd", [])
    }
    host = cluster.get("hostRewriteLiteral") or action.get("hostRewriteLiteral", "")
    namespace, _, rest = cluster["name"].partition("/")
    service = rest.partition("/")[0].partition(":")[0]
    return Sent(namespace, service, part, tuple(sorted(edits.items())), host)
