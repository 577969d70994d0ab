"""Placeholder Services: the names inside the cluster that lead to the gateway (facts/serving.md 43)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knet.model.core import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Service,
    ServicePort,
    ServiceSpec,
)
from knet.model.kingress import KIngress
from knet.model.meta import ObjectMeta
from knet.model.network_domain import CLUSTER_LOCAL as LOCAL_LABEL
from knet.model.network_domain import VISIBILITY_LABEL
from knet.model.serving import ROUTE_LABEL, Route
from knet.serving import keys
from knet.serving.domains import Domains

H2C = "kubernetes.io/h2c"
_PORT = ServicePort(name="http2", app_protocol=H2C, port=80, target_port=80)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A Service and, where the gateway is known by address, the Endpoints of the same name."""

    service: Service
    endpoints: Endpoints | None = None


def initial(route: Route, domains: Domains, tag: str) -> Service:
    """The Service of a tag before the gateway is known: it names the tag's own host."""
    spec = ServiceSpec(
        type="ExternalName",
        external_name=domains.placeholder_host(tag),
        session_affinity="None",
        ports=(_PORT,),
    )
    return Service(api_version="v1", kind="Service", metadata=_meta(route, domains, tag), spec=spec)


def settled(
    route: Route, domains: Domains, before: Service, tag: str, ingress: KIngress
) -> Placeholder | None:
    """The Service of a tag once the KIngress tells its gateway; None before that (or if it names several).

    `before` is the Service as it stands: one with the cluster-local label takes the private gateway only.
    """
    private = before.metadata.labels.get(VISIBILITY_LABEL) == LOCAL_LABEL
    balancer = _balancer(ingress.status, private=private)
    spec = _spec(balancer)
    if spec is None:
        return None
    meta = _meta(route, domains, tag)
    endpoints = _endpoints(meta, balancer["ip"]) if balancer.get("ip") else None
    return Placeholder(_updated(before, meta, spec), endpoints)


def replaced(before: Service, after: Service) -> bool:
    """Whether the API server takes the change only as delete and create."""
    if before.spec.type == "ExternalName" or before.spec.type != after.spec.type:
        return before.spec.type != "ExternalName"
    return before.spec.cluster_ip != after.spec.cluster_ip


def _updated(before: Service, meta: ObjectMeta, spec: ServiceSpec) -> Service:
    both = before.spec.type == spec.type == "ClusterIP"
    if both and before.spec.cluster_ip not in ("", "None") and not spec.cluster_ip:
        spec = spec.model_copy(update={"cluster_ip": before.spec.cluster_ip})
    made = before.model_copy(update={"spec": spec})
    if replaced(before, made):
        return Service(api_version="v1", kind="Service", metadata=meta, spec=spec)
    # what people add to a Route reaches its Services; what they take away stays there
    labels = {**before.metadata.labels, **meta.labels}
    annotations = {**before.metadata.annotations, **meta.annotations}
    if labels == before.metadata.labels and annotations == before.metadata.annotations:
        return made
    kept = before.metadata.model_copy(update={"labels": labels, "annotations": annotations})
    return made.model_copy(update={"metadata": kept})


def _spec(balancer: Mapping[str, Any]) -> ServiceSpec | None:
    if balancer.get("ip"):
        return ServiceSpec(type="ClusterIP", cluster_ip="None", ports=(_PORT,))
    if name := balancer.get("domainInternal"):
        return ServiceSpec(type="ExternalName", external_name=name, session_affinity="None", ports=(_PORT,))
    if name := balancer.get("domain"):
        return ServiceSpec(type="ExternalName", external_name=name, ports=(_PORT,))
    if balancer.get("meshOnly"):
        # the name alone is wanted: the mesh routes
        return ServiceSpec(type="ClusterIP", ports=(ServicePort(name="http", port=80),))
    return None


def _balancer(status: Mapping[str, Any], *, private: bool) -> Mapping[str, Any]:
    """The one gateway that a KIngress names, the private one rather than the public one."""
    entries = _entries(status, "privateLoadBalancer")
    if not entries and not private:
        entries = _entries(status, "publicLoadBalancer")
    return entries[0] if len(entries) == 1 and isinstance(entries[0], Mapping) else {}


def _entries(status: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = status.get(name)
    return found.get("ingress") or () if isinstance(found, Mapping) else ()


def _meta(route: Route, domains: Domains, tag: str) -> ObjectMeta:
    # the visibility label stays behind: people set it on a placeholder to hide one tag
    labels = {k: v for k, v in route.metadata.labels.items() if k != VISIBILITY_LABEL}
    return ObjectMeta(
        name=domains.hostname(tag),
        namespace=route.metadata.namespace,
        labels={**labels, ROUTE_LABEL: route.metadata.name},
        annotations=route.metadata.annotations,
        owner_references=(keys.owner(route.api_version, route.kind, route.metadata),),
    )


def _endpoints(meta: ObjectMeta, address: str) -> Endpoints:
    port = EndpointPort(name="http2", port=80, app_protocol=H2C)
    subset = EndpointSubset(addresses=(EndpointAddress(ip=address),), ports=(port,))
    return Endpoints(api_version="v1", kind="Endpoints", metadata=meta, subsets=(subset,))
