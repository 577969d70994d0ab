"""What Istio does with a request, by its own documentation of Gateway and VirtualService.

Requests from outside come in by the shared external gateway or a rendered Gateway, those from inside by
the shared local one. A server takes a connection by protocol and host; `tls.httpsRedirect` answers 301.
The VirtualServices of these gateways that name the host are looked at, route by route as written: all
conditions of one match must hold, the authority by prefix and exactly as sent. Weights are shares.
"""

from __future__ import annotations

from typing import Any

from evaluators import Sent, Verdict, verdict
from knet.routing.match import Request

SHARED = {"ext": "knative-serving/knative-ingress-gateway", "int": "knative-serving/knative-local-gateway"}
CLUSTER = ".svc.cluster.local"


def evaluate(documents: list[dict[str, Any]], request: Request) -> Verdict:
    """The verdict of a gateway that was given these objects."""
    authority = request.host
    host = authority.split(":")[0].rstrip(".").lower()  # domains and server names know no case
    entered, answers = set(), []
    for gateway in documents:
        if gateway["kind"] != "Gateway":
            continue
        for server in gateway["spec"]["servers"]:
            port = server.get("port", {})
            inside = port.get("number") == 8444
            if inside != (request.visibility == "int") or port.get("protocol") != request.scheme.upper():
                continue
            if any(_names(pattern, host) for pattern in server["hosts"]):
                entered.add(_id(gateway))
                answers.append(server.get("tls", {}))
    if request.scheme == "https" and not entered:
        return Verdict("no certificate")
    if any(tls.get("httpsRedirect") for tls in answers):
        return Verdict("redirect")
    if request.scheme == "http":
        entered.add(SHARED[request.visibility])
    for service in documents:
        if service["kind"] == "VirtualService" and entered.intersection(service["spec"].get("gateways", ())):
            if host not in [h.lower() for h in service["spec"].get("hosts", ())]:
                continue
            for route in service["spec"].get("http", ()):
                if any(_fits(match, entered, authority, request) for match in route["match"]):
                    return _sent(route)
    return Verdict("not found")


def _id(item: dict[str, Any]) -> str:
    return item["metadata"]["namespace"] + "/" + item["metadata"]["name"]


def _names(pattern: str, host: str) -> bool:
    pattern = pattern.lower()
    return pattern in ("*", host) or (pattern[:2] == "*." and host.endswith(pattern[1:]))


def _fits(match: dict[str, Any], entered: set[str], authority: str, request: Request) -> bool:
    if not entered.intersection(match.get("gateways", entered)):
        return False
    if not authority.startswith(match["authority"]["prefix"]):
        return False
    if not request.path.split("?")[0].startswith(match.get("uri", {"prefix": ""})["prefix"]):
        return False
    for name, wanted in match.get("headers", {}).items():
        values = [v for n, v in request.headers if n.lower() == name.lower()]
        if not values or ",".join(values) != wanted["exact"]:
            return False
    return True


def _sent(route: dict[str, Any]) -> Verdict:
    total = sum(t.get("weight", 0) for t in route.get("route", [])) or 1
    out = []
    for target in route.get("route", []):
        service, _, namespace = target["destination"]["host"].removesuffix(CLUSTER).rpartition(".")
        headers: dict[str, str] = {}
        for holder in (target, route):  # Envoy applies the destination's edits first
            for name, value in holder.get("headers", {}).get("request", {}).get("set", {}).items():
                headers[name.lower()] = value
        share = target.get("weight", 0) / total
        rewritten = route.get("rewrite", {}).get("authority", "")
        out.append(Sent(namespace, service, share, tuple(sorted(headers.items())), rewritten))
    return verdict(out)
