"""The built-in kinds: a row each."""

from __future__ import annotations

from typing import Any

from knet.local.api import crd, defaults, rules
from knet.local.api.kinds import VERBS, Kind

_STATUS = frozenset({"status"})
_SCALE = frozenset({"status", "scale"})
_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)


_UNCOUNTED = frozenset(
    {
        "namespaces", "nodes", "services", "endpoints", "configmaps", "secrets", "serviceaccounts", "events",
        "leases", "roles", "rolebindings", "clusterroles", "clusterrolebindings",
    }
)  # fmt: skip
"""Kinds that have no `metadata.generation`."""


def _kind(group: str, version: str, plural: str, name: str, **more: Any) -> Kind:
    singular = more.pop("singular", name.lower())
    return Kind(group, version, plural, name, singular, generations=plural not in _UNCOUNTED, **more)


BUILT_IN = (
    _kind(
        "", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",),
        subresources=frozenset({"status", "finalize"}), prepare=defaults.namespace, label_names=True,
        verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
    ),
    _kind("", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=_STATUS),
    _kind(
        "", "v1", "pods", "Pod", short_names=("po",), categories=_ALL,
        subresources=frozenset({"status", "log", "eviction", "binding"}),
        prepare=defaults.pod, check=rules.pod,
    ),
    _kind(
        "", "v1", "services", "Service", short_names=("svc",), categories=_ALL, subresources=_STATUS,
        prepare=defaults.service, check=rules.service, label_names=True,
    ),
    _kind("", "v1", "endpoints", "Endpoints", singular="endpoints", short_names=("ep",), prepare=defaults.endpoints),
    _kind("", "v1", "configmaps", "ConfigMap", short_names=("cm",), check=rules.data),
    _kind("", "v1", "secrets", "Secret", prepare=defaults.secret, check=rules.secret),
    _kind("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",)),
    _kind("", "v1", "events", "Event", short_names=("ev",)),
    _kind("events.k8s.io", "v1", "events", "Event", short_names=("ev",)),
    _kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", prepare=defaults.endpoint_slice),
    _kind(
        "apps", "v1", "deployments", "Deployment", short_names=("deploy",), categories=_ALL,
        subresources=_SCALE, prepare=defaults.deployment, check=rules.deployment,
    ),
    _kind(
        "apps", "v1", "replicasets", "ReplicaSet", short_names=("rs",), categories=_ALL,
        subresources=_SCALE, prepare=defaults.replica_set, check=rules.selected,
    ),
    _kind(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short_names=("hpa",),
        categories=_ALL, subresources=_STATUS, prepare=defaults.autoscaler,
    ),
    _kind(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",), subresources=_STATUS,
        prepare=defaults.budget,
    ),
    _kind(
        "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",),
        prepare=defaults.network_policy,
    ),
    _kind("coordination.k8s.io", "v1", "leases", "Lease"),
    _kind("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    _kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    _kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    _kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _kind(
        "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration", namespaced=False, prepare=defaults.webhooks, categories=_EXTENSIONS,
    ),
    _kind(
        "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration", namespaced=False, prepare=defaults.webhooks, categories=_EXTENSIONS,
    ),
    _kind(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        namespaced=False, short_names=("crd", "crds"), subresources=_STATUS,
        categories=_EXTENSIONS, prepare=crd.prepare, check=crd.check,
    ),
)  # fmt: skip
