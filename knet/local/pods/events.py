"""Events about pods."""

from __future__ import annotations

from collections.abc import Callable

from knet.kube import events
from knet.kube.client import Client
from knet.local.pods.spec import Object

_LAG = 0.5
"""A pod's start is told by eight events, each of which costs as much as its status."""


class Recorder(events.Recorder):
    """What the node says of its pods and their containers."""

    def __init__(self, client: Client, node: str, clock: Callable[[], float]) -> None:
        super().__init__(client, "knet", node, clock, _LAG)

    def record(self, about: Object, kind: str, reason: str, message: str, container: str = "") -> None:
        """Notes that something happened to a pod, or to a container of it."""
        pod = {"apiVersion": "v1", "kind": "Pod", **about}
        super().record(pod, kind, reason, message, f"spec.containers{{{container}}}" if container else "")
