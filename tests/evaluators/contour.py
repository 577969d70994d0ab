"""Reads HTTPProxies back and decides as Contour does.

From Contour's documentation: HTTPProxy request routing, virtual hosts, TLS termination, request rewriting,
and the pattern of `fqdn` in its CRD. The namespace of a route's services is that of the HTTPProxy.
"""

from __future__ import annotations

import re
from typing import Any

from evaluators import Sent, Verdict, verdict
from knet.routing.match import Request
from knet.routing.table import Visibility

CLASSES = {Visibility.EXTERNAL: "contour-external", Visibility.INTERNAL: "contour-internal"}
FQDN = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
Document = dict[str, Any]


def evaluate(
    documents: list[Document], request: Request, classes: dict[Visibility, str] | None = None
) -> Verdict:
    """What the Contour of the request's visibility does with it."""
    wanted = (classes or CLASSES)[request.visibility]
    host = request.host.lower().rsplit(":", 1)[0] if ":" in request.host else request.host.lower()
    roots = [
        d for d in documents if d["metadata"]["annotations"]["projectcontour.io/ingress.class"] == wanted
    ]
    proxy = find(roots, host)
    if proxy is None:
        return Verdict("not found")
    tls = "tls" in proxy["spec"]["virtualhost"]
    if request.scheme == "https" and not tls:
        return Verdict("no certificate")
    for route in by_precedence(proxy["spec"].get("routes", [])):
        if matches(route, request):
            if tls and request.scheme == "http" and not route.get("permitInsecure", False):
                return Verdict("redirect")
            return verdict(destinations(proxy["metadata"]["namespace"], route))
    return Verdict("not found")


def find(roots: list[Document], host: str) -> Document | None:
    """The one valid root HTTPProxy of a host. A fqdn used by several makes all of them invalid."""
    for name in (host, "*." + host.partition(".")[2]):
        found = [d for d in roots if d["spec"]["virtualhost"]["fqdn"].lower() == name]
        if len(found) == 1 and valid(found[0]):
            return found[0]
    return None


def valid(proxy: Document) -> bool:
    if not FQDN.fullmatch(proxy["spec"]["virtualhost"]["fqdn"]):
        return False
    return bool(proxy["spec"]["routes"]) and all(valid_route(r) for r in proxy["spec"]["routes"])


def valid_route(route: Document) -> bool:
    exact = [h["name"].lower() for h in header_conditions(route)]
    names = [h["name"].lower() for h in route["requestHeadersPolicy"].get("set", [])]
    if not prefix(route).startswith("/") or len(set(exact)) < len(exact) or len(set(names)) < len(names):
        return False
    for service in route.get("services", []):
        sets = [h["name"].lower() for h in service.get("requestHeadersPolicy", {}).get("set", [])]
        if len(set(sets)) < len(sets) or "host" in sets or not 1 <= service["port"] <= 65535:
            return False
    return bool(route.get("services", []))


def prefix(route: Document) -> str:
    found = "".join(c.get("prefix", "") for c in route.get("conditions", []))
    return re.sub("/+", "/", found) or "/"


def header_conditions(route: Document) -> list[Document]:
    """Conditions that say something of a header: a name alone does not."""
    return [c["header"] for c in route.get("conditions", []) if c.get("header", {}).get("exact")]


def by_precedence(routes: list[Document]) -> list[Document]:
    """Longer prefixes, then more headers, then by header name; a later route replaces an equal one."""
    distinct: dict[Any, Document] = {}
    for route in routes:
        distinct[prefix(route), tuple(sorted((h["name"], h["exact"]) for h in header_conditions(route)))] = (
            route
        )
    return [
        route
        for _, route in sorted(
            distinct.items(), key=lambda item: (-len(item[0][0]), -len(item[0][1]), item[0][0], item[0][1])
        )
    ]


def matches(route: Document, request: Request) -> bool:
    path = re.split("[?#]", request.path, maxsplit=1)[0]
    sent: dict[str, list[str]] = {}
    for name, value in request.headers:
        sent.setdefault(name.lower(), []).append(value)
    return path.startswith(prefix(route)) and all(
        ",".join(sent.get(h["name"].lower(), ["\0"])) == h["exact"] for h in header_conditions(route)
    )


def destinations(namespace: str, route: Document) -> list[Sent]:
    """Shares by weight, even ones if none has any; what the route sets comes after what a service sets."""
    weights = [s.get("weight", 0) for s in route.get("services", [])]
    if not sum(weights):
        weights = [1] * len(weights)
    sets = edits(route)
    host = sets.pop("host", "")
    return [
        Sent(namespace, s["name"], w / sum(weights), tuple(sorted({**edits(s), **sets}.items())), host)
        for s, w in zip(route.get("services", []), weights, strict=True)
    ]


def edits(holder: Document) -> dict[str, str]:
    return {h["name"].lower(): h["value"] for h in holder.get("requestHeadersPolicy", {}).get("set", [])}
