"""A revision's readiness probes, as its queue-proxy is told of them (facts/serving.md 47)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.model.digits import whole
from knet.model.serving_shape import PROBE_NUMBERS
from knet.text import json

Object = dict[str, Any]

LOCAL = "127.0.0.1"


def told(containers: Iterable[tuple[Mapping[str, Any], int]], *, several: bool) -> str:
    """`SERVING_READINESS_PROBE` from containers with their ports. `several`: as a list, all of them."""
    probes = [_probe(c["readinessProbe"], port) for c, port in containers if c.get("readinessProbe")]
    if several:
        return json.go(probes).decode() if probes else ""
    return json.go(probes[0]).decode() if probes else ""


def kubelets(probe: Mapping[str, Any] | None, port: int) -> Object | None:
    """The probe by which kubelet asks the queue-proxy itself, at the user's pace."""
    if not probe:
        return None
    handler = {"port": port, "httpHeaders": [{"name": "K-Network-Probe", "value": "queue"}]}
    return {"httpGet": handler, **_numbers(probe)}


def _probe(probe: Mapping[str, Any], user_port: int) -> Object:
    """In the order in which Go writes the fields."""
    made: Object = {}
    http, grpc = probe.get("httpGet"), probe.get("grpc")
    if http is not None:
        asked: Object = {"path": http["path"]} if http.get("path") else {}
        asked |= {"port": _port(http, user_port), "host": LOCAL, "scheme": http.get("scheme") or "HTTP"}
        if http.get("httpHeaders"):
            asked["httpHeaders"] = [
                {"name": h["name"], "value": h.get("value", "")} for h in http["httpHeaders"]
            ]
        made["httpGet"] = asked
    elif grpc is not None:
        made["grpc"] = {"port": grpc.get("port") or user_port, "service": grpc.get("service", "")}
    else:  # a command is run by kubelet in the user's container; here its port has to be open
        socket = probe.get("tcpSocket") or {}
        made["tcpSocket"] = {"port": _port(socket, user_port), "host": LOCAL}
    numbers = _numbers(probe)
    if numbers.get("periodSeconds") and not numbers.get("timeoutSeconds"):
        numbers = {
            name: numbers.get(name, 1)
            for name in PROBE_NUMBERS
            if name in numbers or name == "timeoutSeconds"
        }
    return {**made, **numbers}


def _port(handler: Mapping[str, Any], user_port: int) -> int:
    """A port by number; a name is the one that the container has."""
    port = handler.get("port", 0)
    number = port if isinstance(port, int) else whole(str(port))
    return number or user_port


def _numbers(probe: Mapping[str, Any]) -> Object:
    return {name: probe[name] for name in PROBE_NUMBERS if probe.get(name)}
