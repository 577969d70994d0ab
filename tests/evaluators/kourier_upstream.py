"""Reads net-kourier's snapshot (the reference outputs): listener → one big RouteConfiguration → route."""

from __future__ import annotations

from typing import Any

from evaluators import Verdict
from evaluators.envoy import arriving, decide, filter_chain, virtual_host
from evaluators.kourier import PORTS
from knet.routing.match import Request


def evaluate(snapshot: dict[str, Any], request: Request) -> Verdict:
    """What net-kourier's Envoy does."""
    port = PORTS[request.scheme, request.visibility]
    listener = snapshot["listeners"].get(f"listener_{port}")
    server_name = request.host.lower().partition(":")[0]
    chain = filter_chain(listener, server_name) if listener else None
    if chain is None:
        return Verdict("no certificate" if request.scheme == "https" else "not found")
    manager = chain["filters"][0]["typedConfig"]
    config = snapshot["routes"].get(manager["rds"]["routeConfigName"], {})
    found = virtual_host(config, request.host)
    return decide(found, request.path, arriving(request)) if found else Verdict("not found")
