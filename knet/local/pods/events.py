"""Events about pods."""

from __future__ import annotations

from collections.abc import Callable

from knet.kube import events
from knet.kube.client import Client
from knet.local.pods.spec import Object

_LAG = 0.5
_BEGINNINGS = {"Pulled", "Created", "Started"}
"""Three for each container, each of which costs as much as the pod's status, which somebody waits for."""


class Recorder(events.Recorder):
    """What the node says of its pods and their containers."""

    def __init__(self, client: Client, node: str, clock: Callable[[], float]) -> None:
        super().__init__(client, "knet", node, clock)

    def record(
        self, about: Object, kind: str, reason: str, message: str, path: str = "", *, lag: float = 0.0
    ) -> None:
        """Notes that something happened to a pod, or to a container of it (`path` is its name)."""
        pod = {"apiVersion": "v1", "kind": "Pod", **about}
        lag = _LAG if reason in _BEGINNINGS else lag
        super().record(pod, kind, reason, message, f"spec.containers{{{path}}}" if path else "", lag=lag)
