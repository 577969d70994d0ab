"""What Istio's gateways do with a request, given the objects that were rendered for them.

As istio.io documents Gateway and VirtualService: a Gateway's server by port and host, then the
VirtualService of that gateway with the host, then its first route whose match fits, in the order
written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from knet.backends.decided import Decided, Sent, bare_path, combined, forwarded, shares
from knet.backends.istio.virtualservices import LOCAL_SUFFIX
from knet.routing.match import Outcome, Request
from knet.routing.passes.hosts import normal
from knet.routing.table import Visibility

LOCAL_TLS_PORT = 8444


def decide(objects: Iterable[dict[str, Any]], shared: Collection[str], request: Request) -> Decided:
    """The decision for a request. `shared` names the gateways (`namespace/name`) of its visibility.

    These are not rendered: they serve plain http for every host.
    """
    given = list(objects)
    host = normal(request.host)
    servers = list(_servers(given, request, host))
    if request.scheme == "https" and not servers:
        return Decided(Outcome.NO_CERTIFICATE, by=f"no Gateway server has TLS for {host}")
    for name, server in servers:
        if server.get("tls", {}).get("httpsRedirect"):  # before any route is looked at
            return Decided(Outcome.REDIRECT, by=f"Gateway {name}")
    gateways = {name for name, _ in servers} | (set(shared) if request.scheme == "http" else set())
    for service in given:
        spec = service.get("spec", {})
        if service["kind"] != "VirtualService" or not gateways & set(spec.get("gateways", [])):
            continue
        if any(_covers(h, host) for h in spec.get("hosts", [])):
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            found = _route(spec.get("http", []), gateways, request, f"VirtualService {name}")
            if found is not None:
                return found
    names = ", ".join(sorted(gateways)) or "any gateway"
    return Decided(Outcome.NOT_FOUND, by=f"no VirtualService route of {names}")


def _servers(
    objects: Iterable[dict[str, Any]], request: Request, host: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rendered Gateways' servers that take the connection, with their gateway's name."""
    protocol = request.scheme.upper()
    for item in objects:
        if item["kind"] != "Gateway":
            continue
        servers = item["spec"].get("servers", [])
        local = any(s.get("port", {}).get("number") == LOCAL_TLS_PORT for s in servers)
        if local is (request.visibility is Visibility.EXTERNAL):
            continue
        name = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for server in servers:
            if server.get("port", {}).get("protocol") == protocol and any(
                _covers(h, host) for h in server.get("hosts", [])
            ):
                yield name, server


def _covers(pattern: str, host: str) -> bool:
    pattern = pattern.lower()
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _route(routes: list[dict[str, Any]], gateways: set[str], request: Request, name: str) -> Decided | None:
    headers, path = combined(request), bare_path(request)

    def takes(match: dict[str, Any]) -> bool:
        named = match.get("gateways")
        return (
            request.host.startswith(match.get("authority", {}).get("prefix", ""))
            and (named is None or not gateways.isdisjoint(named))
            and path.startswith(match.get("uri", {}).get("prefix", ""))
            and all(headers.get(n.lower()) == m["exact"] for n, m in match.get("headers", {}).items())
        )

    for i, route in enumerate(routes):
        matches = route.get("match", [])
        if not matches or any(map(takes, matches)):
            return _forward(route, f"{name} http[{i}]")
    return None


def _forward(route: dict[str, Any], by: str) -> Decided:
    targets = route.get("route", [])
    edits = _edits(route)
    host = route.get("rewrite", {}).get("authority", "")
    sent = []
    for target, part in zip(targets, shares([t.get("weight", 0) for t in targets]), strict=True):
        service, _, namespace = target["destination"]["host"].removesuffix(LOCAL_SUFFIX).rpartition(".")
        # the route's come later, and overwrite
        sent.append(Sent(namespace, service, part, tuple(sorted((_edits(target) | edits).items())), host))
    return forwarded(sent, by)


def _edits(holder: dict[str, Any]) -> dict[str, str]:
    found = holder.get("headers", {}).get("request", {}).get("set", {})
    return {name.lower(): value for name, value in found.items()}
