"""Kinds as the paths of a Kubernetes API know them (kubernetes.io: API concepts, resource URIs)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind. `group` is "" for the core group; `plural` is its name in paths."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The path of the collection or of one object; no namespace means all of them."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
EVENTS = Resource("", "v1", "events", "Event")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_ADMISSION = "admissionregistration.k8s.io"
VALIDATING_WEBHOOKS = Resource(
    _ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
MUTATING_WEBHOOKS = Resource(
    _ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
INGRESSES = Resource("networking.internal.knative.dev", "v1alpha1", "ingresses", "Ingress")

VIRTUAL_SERVICES = Resource("networking.istio.io", "v1beta1", "virtualservices", "VirtualService")
GATEWAYS = Resource("networking.istio.io", "v1beta1", "gateways", "Gateway")
HTTP_PROXIES = Resource("projectcontour.io", "v1", "httpproxies", "HTTPProxy")

_SERVING, _NETWORKING = "serving.knative.dev", "networking.internal.knative.dev"
_AUTOSCALING = "autoscaling.internal.knative.dev"

KSERVICES = Resource(_SERVING, "v1", "services", "Service")
CONFIGURATIONS = Resource(_SERVING, "v1", "configurations", "Configuration")
REVISIONS = Resource(_SERVING, "v1", "revisions", "Revision")
ROUTES = Resource(_SERVING, "v1", "routes", "Route")
DOMAIN_MAPPINGS = Resource(_SERVING, "v1beta1", "domainmappings", "DomainMapping")
CLUSTER_DOMAIN_CLAIMS = Resource(
    _NETWORKING, "v1alpha1", "clusterdomainclaims", "ClusterDomainClaim", namespaced=False
)
CERTIFICATES = Resource(_NETWORKING, "v1alpha1", "certificates", "Certificate")
SERVERLESS_SERVICES = Resource(_NETWORKING, "v1alpha1", "serverlessservices", "ServerlessService")
POD_AUTOSCALERS = Resource(_AUTOSCALING, "v1alpha1", "podautoscalers", "PodAutoscaler")
METRICS = Resource(_AUTOSCALING, "v1alpha1", "metrics", "Metric")
IMAGES = Resource("caching.internal.knative.dev", "v1alpha1", "images", "Image")
CANARIES = Resource("knet.dev", "v1alpha1", "canaries", "Canary")
HORIZONTAL_POD_AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
