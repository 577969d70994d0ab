"""Envoy's own rules for virtual hosts and routes, from its documentation (config.route.v3)."""

from __future__ import annotations

from typing import Any

from evaluators import Sent, Verdict, verdict
from knet.routing.match import Request

Headers = dict[str, str]


def arriving(request: Request) -> Headers:
    """The request's headers, lower case and combined as Envoy compares them, with x-forwarded-proto."""
    found: Headers = {"x-forwarded-proto": request.scheme}
    for name, value in request.headers:
        lower = name.lower()
        seen = lower in found and lower != "x-forwarded-proto"
        found[lower] = f"{found[lower]},{value}" if seen else value
    return found


def filter_chain(listener: dict[str, Any], server_name: str) -> dict[str, Any] | None:
    """The chain for a TLS server name: exact, then the longest wildcard, then the one without names."""
    chains = listener["filterChains"]
    for wanted in (server_name, *_wildcards(server_name)):
        for chain in chains:
            if wanted in chain.get("filterChainMatch", {}).get("serverNames", ()):
                return chain
    return next((c for c in chains if not c.get("filterChainMatch")), None)


def _wildcards(name: str) -> list[str]:
    labels = name.split(".")
    return ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]


def virtual_host(config: dict[str, Any], host: str) -> dict[str, Any] | None:
    """Exact domain first, then the longest suffix wildcard, the longest prefix wildcard, then `*`."""
    if config.get("ignorePortInHostMatching"):
        host = host.partition(":")[0]
    host, best, rank = host.lower(), None, (0, 0)
    for candidate in config.get("virtualHosts", ()):
        for domain in candidate["domains"]:
            got = _domain_rank(domain.lower(), host)
            if got > rank:
                best, rank = candidate, got
    return best


def _domain_rank(domain: str, host: str) -> tuple[int, int]:
    if domain == host:
        return 4, len(domain)
    if domain == "*":
        return 1, 0
    if domain.startswith("*") and host.endswith(domain[1:]) and len(host) >= len(domain):
        return 3, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]) and len(host) >= len(domain):
        return 2, len(domain)
    return 0, 0


def decide(host: dict[str, Any], path: str, headers: Headers) -> Verdict:
    """What a virtual host does with a request."""
    if host.get("requireTls") == "ALL" and headers["x-forwarded-proto"] != "https":
        return Verdict("redirect")
    bare = path.partition("?")[0].partition("#")[0]
    for route in host.get("routes", ()):
        if bare.startswith(route["match"]["prefix"]) and all(
            _matches(m, headers) for m in route["match"].get("headers", ())
        ):
            return _take(route)
    return Verdict("not found")


def _matches(matcher: dict[str, Any], headers: Headers) -> bool:
    value = headers.get(matcher["name"].lower())
    if value is None and not matcher.get("treatMissingHeaderAsEmpty"):
        return False
    wanted = matcher.get("stringMatch", {}).get("exact")
    return (wanted is None or (value or "") == wanted) != matcher.get("invertMatch", False)


def _take(route: dict[str, Any]) -> Verdict:
    if "redirect" in route:
        return Verdict("redirect")
    if "directResponse" in route:
        return Verdict("direct response")
    action, shares = route["route"], route["route"]["weightedClusters"]["clusters"]
    total = sum(c.get("weight", 0) for c in shares)
    if not total:
        return Verdict("no weight")
    sent = []
    for share in shares:
        edits = _edits(share) | _edits(route)  # the less specific one comes later, and overwrites
        # Envoy refuses to set Host as a header; upstream's configuration means a rewrite where it does
        host = share.get("hostRewriteLiteral") or action.get("hostRewriteLiteral") or edits.pop("host", "")
        edits.pop("host", None)
        namespace, service = service_of(share["name"])
        sent.append(
            Sent(namespace, service, share.get("weight", 0) / total, tuple(sorted(edits.items())), host)
        )
    return verdict(sent)


def _edits(holder: dict[str, Any]) -> Headers:
    found = {}
    for option in holder.get("requestHeadersToAdd", ()):
        assert option["appendAction"] == "OVERWRITE_IF_EXISTS_OR_ADD"
        found[option["header"]["key"].lower()] = option["header"].get("value", "").replace("%%", "%")
    return found


def service_of(cluster: str) -> tuple[str, str]:
    """(namespace, name) of the Service behind a cluster's name, `namespace/name[:port][/plain]`."""
    namespace, _, rest = cluster.partition("/")
    return namespace, rest.partition("/")[0].partition(":")[0]
