"""The kinds that Kubernetes's own controllers read."""

from __future__ import annotations

from knet.kube import cluster, resources
from knet.kube.client import Client
from knet.kube.informers import Informers
from knet.kube.sync import Key

__all__ = ["Cluster", "Key"]

KINDS = (
    resources.NAMESPACES,
    resources.PODS,
    resources.SERVICES,
    resources.ENDPOINTS,
    resources.ENDPOINT_SLICES,
    resources.REPLICA_SETS,
    resources.DEPLOYMENTS,
)


class Cluster(cluster.Cluster):
    """What they share."""

    def __init__(self, client: Client, shared: Informers | None = None) -> None:
        super().__init__(client, KINDS, shared)
