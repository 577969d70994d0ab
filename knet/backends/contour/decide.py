"""What Contour does with a request, given the HTTPProxies that were rendered (`knet explain`).

The class picks the Contour, the fqdn the HTTPProxy; then prefixes, longest first, and most header
conditions first (Contour, HTTPProxy request routing).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knet.backends.contour.httpproxies import CLASS_KEY
from knet.backends.contour.settings import Settings
from knet.backends.decided import Decided, Sent, bare_path, combined, forwarded, shares
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.match import Outcome, Request
from knet.routing.passes.hosts import normal
from knet.routing.table import Visibility


def decide(documents: Iterable[dict[str, Any]], settings: Settings, request: Request) -> Decided:
    """The decision of the Contour that serves the request's visibility."""
    visibility = EXTERNAL if request.visibility is Visibility.EXTERNAL else CLUSTER_LOCAL
    class_name = settings.class_name(visibility)
    host = normal(request.host)
    proxy = _proxy([d for d in documents if d["metadata"]["labels"][CLASS_KEY] == class_name], host)
    if proxy is None:
        return Decided(Outcome.NOT_FOUND, by=f"no HTTPProxy of class {class_name} for {host}")
    name = proxy["metadata"]["name"]
    secured = "tls" in proxy["spec"]["virtualhost"]
    if request.scheme == "https" and not secured:
        return Decided(Outcome.NO_CERTIFICATE, by=f"{name} has no tls")
    headers, path = combined(request), bare_path(request)
    for index, route in _tried(proxy["spec"]["routes"]):
        if path.startswith(_prefix(route)) and all(headers.get(n.lower()) == v for n, v in _wanted(route)):
            by = f"{name} routes[{index}]"
            if secured and request.scheme == "http" and not route.get("permitInsecure"):
                return Decided(Outcome.REDIRECT, by=by)
            return _forward(proxy["metadata"]["namespace"], route, by)
    return Decided(Outcome.NOT_FOUND, by=f"no route of {name}")


def _proxy(proxies: list[dict[str, Any]], host: str) -> dict[str, Any] | None:
    """The exact fqdn first, then a wildcard, which stands for one label."""
    by_fqdn = {p["spec"]["virtualhost"]["fqdn"].lower(): p for p in proxies}
    return by_fqdn.get(host) or by_fqdn.get(f"*.{host.partition('.')[2]}")


def _tried(routes: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """(index, route) in the order in which they are tried; the last of equal conditions stands alone."""
    kept = {(_prefix(r), tuple(_wanted(r))): (i, r) for i, r in enumerate(routes)}

    def rank(item: tuple[int, dict[str, Any]]) -> tuple[int, int, list[tuple[str, str]]]:
        return -len(_prefix(item[1]).encode()), -len(_wanted(item[1])), sorted(_wanted(item[1]))

    return sorted(kept.values(), key=rank)


def _prefix(route: dict[str, Any]) -> str:
    return next((str(c["prefix"]) for c in route.get("conditions", ()) if "prefix" in c), "/")


def _wanted(route: dict[str, Any]) -> list[tuple[str, str]]:
    """The header conditions: those without a value are passed over."""
    found = [c["header"] for c in route.get("conditions", ()) if "header" in c]
    return [(h["name"], h["exact"]) for h in found if h.get("exact")]


def _forward(namespace: str, route: dict[str, Any], by: str) -> Decided:
    services = route.get("services", [])
    weights = [s.get("weight", 0) for s in services]
    edits = _set(route)
    host = edits.pop("host", "")
    return forwarded(
        [
            Sent(namespace, s["name"], part, tuple(sorted((_set(s) | edits).items())), host)
            for s, part in zip(
                services, shares(weights if any(weights) else [1] * len(services)), strict=True
            )
        ],
        by,
    )


def _set(holder: dict[str, Any]) -> dict[str, str]:
    return {h["name"].lower(): h["value"] for h in holder.get("requestHeadersPolicy", {}).get("set", ())}
