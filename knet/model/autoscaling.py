"""What lies between a Revision and its pods: PodAutoscaler, ServerlessService (facts/knative.md A.1).

Nobody writes them by hand; what is not read here is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.model.meta import Loose, ObjectMeta, as_json

AUTOSCALING = "autoscaling.internal.knative.dev/v1alpha1"
NETWORKING = "networking.internal.knative.dev/v1alpha1"

SERVE, PROXY = "Serve", "Proxy"
"""Modes of a ServerlessService: straight to the pods, or by way of an activator."""

H2C = "h2c"
"""The protocol of a revision that speaks HTTP/2 without TLS; every other speaks HTTP/1."""


class ScaleTarget(Loose):
    api_version: str = ""
    kind: str = ""
    name: str = ""


class PodAutoscalerSpec(Loose):
    container_concurrency: int = 0
    scale_target_ref: ScaleTarget = ScaleTarget()
    reachability: str = ""
    protocol_type: str = ""


class PodAutoscaler(Loose):
    """Says how a revision is scaled."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodAutoscalerSpec = PodAutoscalerSpec()
    status: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name


class ServerlessServiceSpec(Loose):
    mode: str = SERVE
    object_ref: ScaleTarget = ScaleTarget()
    protocol_type: str = ""
    num_activators: int = 0


class ServerlessService(Loose):
    """Says whether a revision's Service leads to its pods or to activators."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServerlessServiceSpec = ServerlessServiceSpec()
    status: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def private(self) -> str:
        """The name of the Service that chooses the pods; empty before there is one."""
        name: str = self.status.get("privateServiceName") or ""
        return name

    def condition(self, kind: str) -> Mapping[str, Any]:
        """One of its conditions; empty if it is not there."""
        found: Any = self.status.get("conditions") or ()
        return next((c for c in found if c.get("type") == kind), {})


def pod_autoscaler(data: dict[str, Any]) -> PodAutoscaler:
    """From plain data. Raises pydantic's ValidationError."""
    return PodAutoscaler.model_validate_json(as_json(data))


def serverless_service(data: dict[str, Any]) -> ServerlessService:
    """From plain data. Raises pydantic's ValidationError."""
    return ServerlessService.model_validate_json(as_json(data))
