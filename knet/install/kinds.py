"""What an installation is made of, as paths of the API."""

from __future__ import annotations

from typing import Any

from knet.kube import resources
from knet.kube.resources import Resource

_RBAC = "rbac.authorization.k8s.io"

ISTIO_GATEWAYS = Resource("networking.istio.io", "v1beta1", "gateways", "Gateway")

KINDS = (
    resources.NAMESPACES,
    resources.CUSTOM_RESOURCE_DEFINITIONS,
    resources.SERVICE_ACCOUNTS,
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(_RBAC, "v1", "roles", "Role"),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding"),
    resources.CONFIG_MAPS,
    resources.SECRETS,
    resources.SERVICES,
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    resources.DEPLOYMENTS,
    resources.HORIZONTAL_POD_AUTOSCALERS,
    ISTIO_GATEWAYS,
    resources.MUTATING_WEBHOOKS,
    resources.VALIDATING_WEBHOOKS,
)
"""In the order in which a cluster can take them."""

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in KINDS}


def kind_of(item: dict[str, Any]) -> Resource:
    """The kind of an object of ours."""
    return _BY_NAME[item["apiVersion"], item["kind"]]


def kind_named(api_version: str, kind: str) -> Resource | None:
    """A kind by what objects say; None for one that no installation has."""
    return _BY_NAME.get((api_version, kind))
