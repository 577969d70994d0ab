"""What Contour does with a request, given the HTTPProxies that were rendered for it.

As projectcontour.io documents HTTPProxy: one proxy for each fqdn and class; the longest prefix first,
then the route with most header conditions; of equal conditions the last written; http is redirected to
https where there is TLS and no `permitInsecure`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knet.backends.contour.settings import Settings
from knet.backends.decided import Decided, Sent, bare_path, combined, forwarded, shares
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.match import Outcome, Request
from knet.routing.passes.hosts import normal
from knet.routing.table import Visibility

CLASS_KEY = "projectcontour.io/ingress.class"


def decide(objects: Iterable[dict[str, Any]], settings: Settings, request: Request) -> Decided:
    """The decision of the Contour that serves the request's visibility."""
    host = normal(request.host)
    outer = request.visibility is Visibility.EXTERNAL
    class_name = settings.class_name(EXTERNAL if outer else CLUSTER_LOCAL)
    proxy = next((o for o in objects if _place(o) == (class_name, host)), None)
    if proxy is None:
        return Decided(Outcome.NOT_FOUND, by=f"no HTTPProxy of class {class_name} for {host}")
    by = f"HTTPProxy {proxy['metadata']['namespace']}/{proxy['metadata']['name']}"
    secure = "tls" in proxy["spec"]["virtualhost"]
    if request.scheme == "https" and not secure:
        return Decided(Outcome.NO_CERTIFICATE, by=f"{by} has no tls")
    routes = list(enumerate(proxy["spec"].get("routes", [])))
    # of equal conditions Contour keeps the last
    for i, route in sorted(routes, key=lambda r: (*_rank(r[1]), -r[0])):
        if _takes(route, request):
            by = f"{by} routes[{i}]"
            if request.scheme == "http" and secure and not route.get("permitInsecure"):
                return Decided(Outcome.REDIRECT, by=by)
            return _forward(route, proxy["metadata"]["namespace"], by)
    return Decided(Outcome.NOT_FOUND, by=f"no route of {by}")


def _place(proxy: dict[str, Any]) -> tuple[str, str]:
    annotations = proxy["metadata"].get("annotations", {})
    return annotations.get(CLASS_KEY, ""), proxy["spec"].get("virtualhost", {}).get("fqdn", "").lower()


def _prefix(route: dict[str, Any]) -> str:
    return next((c["prefix"] for c in route.get("conditions", []) if "prefix" in c), "/")


def _headers(route: dict[str, Any]) -> list[dict[str, Any]]:
    """The header conditions; one without a value asks for nothing."""
    found = [c["header"] for c in route.get("conditions", []) if "header" in c]
    return [h for h in found if "exact" in h or h.get("present")]


def _rank(route: dict[str, Any]) -> tuple[int, int]:
    return -len(_prefix(route)), -len(_headers(route))


def _takes(route: dict[str, Any], request: Request) -> bool:
    sent = combined(request)
    return bare_path(request).startswith(_prefix(route)) and all(
        sent.get(h["name"].lower()) == h["exact"] if "exact" in h else h["name"].lower() in sent
        for h in _headers(route)
    )


def _forward(route: dict[str, Any], namespace: str, by: str) -> Decided:
    services = route["services"]
    edits = _edits(route)
    host = edits.pop("host", "")
    sent = []
    for service, part in zip(services, shares([s.get("weight", 0) for s in services]), strict=True):
        mine = _edits(service) | edits  # the route's come later, and overwrite
        headers = tuple(sorted((n, v) for n, v in mine.items() if n != "host"))
        sent.append(Sent(namespace, service["name"], part, headers, host or mine.get("host", "")))
    return forwarded(sent, by)


def _edits(holder: dict[str, Any]) -> dict[str, str]:
    """Headers set, lower case; the first of a name counts where one stands twice."""
    found: dict[str, str] = {}
    for header in holder.get("requestHeadersPolicy", {}).get("set", []):
        found.setdefault(header["name"].lower(), header["value"])
    return found
