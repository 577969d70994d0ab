"""A ServerlessService to its two Services, the endpoints of the public one, and its status. Pure.

The private Service (`NAME-private`) chooses the pods. The public one (`NAME`), which gateways know, has no
selector: its endpoints are copied from the private one (Serve) or from some activators (Proxy). Fact 31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knet.model.autoscaling import H2C, NETWORKING, PROXY, SERVE, ServerlessService
from knet.model.meta import controlled_by
from knet.model.names import child_name
from knet.scaling.subset import choose
from knet.serving.conditions import Conditions

Object = dict[str, Any]

ACTIVATOR = "activator-service"
"""The Service of the activators, in the system namespace."""

POPULATED, ACTIVATED = "EndpointsPopulated", "ActivatorEndpointsPopulated"
NOT_READY = "K8s Service is not ready"

LABEL = "networking.internal.knative.dev/serverlessservice"
"""The label by which its Services and their endpoints name a ServerlessService."""
_TYPE = "networking.internal.knative.dev/serviceType"
_HTTP, _H2C, _HTTPS, _METRICS, _USER_METRICS = 8012, 8013, 8112, 9090, 9091
_APP_PROTOCOL = "kubernetes.io/h2c"


@dataclass(frozen=True, slots=True)
class Around:
    """What a ServerlessService depends on: the labels that its scale target chooses pods by (None: there is no
    target), the endpoints of its private Service and of the activators, and names of Services of its names that
    belong to somebody else.
    """

    selector: Mapping[str, str] | None
    private: Object | None = None
    activators: Object | None = None
    foreign: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What there is to be. `endpoints` None: they stay as they are."""

    services: tuple[Object, ...]
    endpoints: Object | None
    status: Object


def reconcile(sks: ServerlessService, around: Around, now: str) -> Made:
    """Everything that follows from a ServerlessService; `now` is RFC 3339 text."""
    conditions = Conditions((POPULATED,), sks.status.get("conditions") or (), now)
    conditions.initialize()
    named = {key: sks.status[key] for key in ("serviceName", "privateServiceName") if sks.status.get(key)}
    if around.foreign:
        name = around.foreign[0]
        conditions.false(POPULATED, "NotOwned", f"Resource {name} of type Service is not owned by SKS")
        return Made((), None, _status(sks, named, conditions))
    if around.selector is None:
        target = sks.spec.object_ref
        conditions.unknown(POPULATED, "NoScaleTarget", f'{target.kind} "{target.name}" is not there')
        return Made((), None, _status(sks, named, conditions))
    services = (_private(sks, around.selector), _public(sks))
    named = {"serviceName": sks.metadata.name, "privateServiceName": private_name(sks)}
    pods, mode = _ready(around.private), sks.spec.mode
    if pods:
        conditions.true(POPULATED)
    else:
        conditions.unknown(POPULATED, "NoHealthyBackends", NOT_READY)
        mode = PROXY
    backed = conditions.true if mode == PROXY else conditions.false
    backed(ACTIVATED, ACTIVATED, "Revision is backed by Activator")
    endpoints = {
        **_head(sks, "Endpoints", sks.metadata.name, "Public"),
        "subsets": _subsets(sks, mode, around),
    }
    return Made(services, endpoints, _status(sks, named, conditions))


def private_name(sks: ServerlessService) -> str:
    return child_name(sks.metadata.name, "-private")


def _status(sks: ServerlessService, named: Object, conditions: Conditions) -> Object:
    return {
        **named,
        "conditions": conditions.dump(),
        "observedGeneration": sks.metadata.generation or 1,
    }


def _head(sks: ServerlessService, kind: str, name: str, which: str) -> Object:
    meta = sks.metadata
    owner = controlled_by(NETWORKING, "ServerlessService", meta.name, meta.uid)
    made: Object = {
        "name": name,
        "namespace": meta.namespace,
        "labels": {**meta.labels, LABEL: meta.name, _TYPE: which},
        "ownerReferences": [owner],
    }
    if meta.annotations:
        made["annotations"] = dict(meta.annotations)
    return {"apiVersion": "v1", "kind": kind, "metadata": made}


def _h2c(sks: ServerlessService) -> bool:
    return sks.spec.protocol_type == H2C


def _backend(sks: ServerlessService) -> int:
    return _H2C if _h2c(sks) else _HTTP


def _port(name: str, port: int, target: int | str, app_protocol: str = "") -> Object:
    made = {"name": name, "protocol": "TCP", "port": port, "targetPort": target}
    return {**made, "appProtocol": app_protocol} if app_protocol else made


def _main(sks: ServerlessService, number: int) -> Object:
    if _h2c(sks):
        return _port("http2", number, _H2C, _APP_PROTOCOL)
    return _port("http", number, _HTTP)


def _public(sks: ServerlessService) -> Object:
    ports = [_main(sks, 81 if _h2c(sks) else 80), _port("https", 443, _HTTPS)]
    return {**_head(sks, "Service", sks.metadata.name, "Public"), "spec": {"ports": ports}}


def _private(sks: ServerlessService, selector: Mapping[str, str]) -> Object:
    ports = [
        _main(sks, 80),
        _port("https", 443, _HTTPS),
        _port("http-autometric", _METRICS, "http-autometric"),
        _port("http-usermetric", _USER_METRICS, "http-usermetric"),
        # when Istio's sidecar opens a connection to a pod itself, it looks for the port of the pod
        _port("http2-istio" if _h2c(sks) else "http-istio", _backend(sks), _backend(sks)),
    ]
    spec = {"ports": ports, "selector": dict(selector)}
    return {**_head(sks, "Service", private_name(sks), "Private"), "spec": spec}


def _ready(endpoints: Object | None) -> int:
    return sum(len(s.get("addresses") or ()) for s in (endpoints or {}).get("subsets") or ())


def _subsets(sks: ServerlessService, mode: str, around: Around) -> list[Object]:
    if mode == SERVE or not _ready(around.activators):
        return _filtered(sks, around.private)
    return _chosen(_filtered(sks, around.activators), sks.spec.num_activators, sks.metadata.name)


def _filtered(sks: ServerlessService, endpoints: Object | None) -> list[Object]:
    """The subsets of endpoints with the ports alone that the public Service has."""
    made = []
    for subset in (endpoints or {}).get("subsets") or ():
        ports = _ports(subset.get("ports") or (), ("http2", "h2c") if _h2c(sks) else ("http",), _backend(sks))
        made.append({**subset, "ports": ports})
    return made


def _ports(ports: Sequence[Object], names: Sequence[str], number: int) -> list[Object]:
    """By name: where pods share an address, numbers are not Knative's. By number where a name says nothing."""
    found = []
    for wanted, other in ((names, number), (("https",), _HTTPS)):
        named = [p for p in ports if p.get("name") in wanted]
        found += (named or [p for p in ports if p.get("port") == other])[:1]
    return found


def _chosen(subsets: list[Object], n: int, target: str) -> list[Object]:
    """The subsets with the addresses alone of those that the target is to have; 0 is all."""
    addresses = {a["ip"] for s in subsets for a in s.get("addresses") or ()}
    if n <= 0 or len(addresses) <= n:
        return subsets
    chosen = choose(addresses, n, target)
    made = []
    for subset in subsets:
        kept = [a for a in subset.get("addresses") or () if a["ip"] in chosen]
        if kept:
            made.append({**subset, "addresses": kept})
    return made
