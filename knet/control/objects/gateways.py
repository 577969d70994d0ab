"""What differs between Istio and Contour for a controller that applies objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from knet.backends.api import Backend, Readiness, Rendered, State
from knet.control.gateway import probed_path
from knet.control.objects.seen import Object, Ref, Seen, ref_of
from knet.control.probe import Target
from knet.kube.resources import Resource
from knet.model.core import Service
from knet.model.kingress import KIngress
from knet.routing.passes.hosts import expand
from knet.routing.table import IngressTable, Key
from knet.routing.world import World


@dataclass(frozen=True, slots=True)
class Front:
    """What is known of the gateways themselves: settings, their Services in a World, and Istio's shared Gateways."""

    settings: Any
    world: World
    gateways: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)


class Kind(Protocol):
    """One kind of gateway.

    `writes` are the resources of its objects, in the order in which they go in;
    `child_mark` is the annotation that a child KIngress of its has.
    """

    backend: Backend
    writes: tuple[Resource, ...]
    child_mark: str

    def rest(self, item: Object) -> Mapping[str, Any]:
        """What of an object has to be kept besides its digest."""
        ...

    def fronts(self, service: Service, front: Front) -> bool:
        """Whether a Service may stand before gateway pods."""
        ...

    def rendering(self, settings: Any) -> Any:
        """What of the settings changes how objects look."""
        ...

    def step(self, ingress: IngressTable, front: Front, children: Mapping[Ref, Seen]) -> KIngress | None:
        """A child that has to be ready first, if any. `children` are the objects that the KIngress controls now."""
        ...

    def content(self, found: Iterable[Seen]) -> bool:
        """Whether the control plane has taken objects that are in the API as they are wanted. Costs no rendering."""
        ...

    def accepted(self, key: Key, made: Rendered, found: Mapping[Ref, Seen]) -> Readiness:
        """What the control plane says of the objects that are in the API, in words where it is not `content`."""
        ...

    def targets(self, ingress: IngressTable, front: Front) -> tuple[Target, ...] | None:
        """What has to answer; None while there is no gateway pod to ask."""
        ...

    def status(
        self, stage: str, ingress: IngressTable, front: Front, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The KIngress's status at a stage: "endpoints", "waiting" or "ready"."""
        ...


class ContourKind:
    """Contour: HTTPProxies, which say themselves whether they are valid; endpoints are loaded by a child first."""

    def __init__(self) -> None:
        from knet.backends.contour import backend
        from knet.backends.contour.endpoint_probe import PROBE_ANNOTATION
        from knet.kube.resources import HTTP_PROXIES

        self.backend: Backend = backend
        self.writes: tuple[Resource, ...] = (HTTP_PROXIES,)
        self.child_mark = PROBE_ANNOTATION

    def rest(self, item: Object) -> Mapping[str, Any]:
        meta, status = item["metadata"], item.get("status") or {}
        services = {
            (s["name"], s["port"])
            for route in (item.get("spec") or {}).get("routes") or ()
            for s in route.get("services") or ()
        }
        return {
            "metadata": {"labels": meta.get("labels") or {}, "generation": meta.get("generation", 0)},
            "status": {k: status[k] for k in ("currentStatus", "description") if k in status}
            | {
                "conditions": [
                    {"observedGeneration": c.get("observedGeneration", 0)}
                    for c in status.get("conditions") or ()
                ]
            },
            "spec": {"routes": [{"services": [{"name": n, "port": p} for n, p in sorted(services)]}]},
        }

    def fronts(self, service: Service, front: Front) -> bool:
        return service.key in {g.service for g in front.settings.gateways.values()}

    def rendering(self, settings: Any) -> Any:
        classes = {v: g.class_name for v, g in settings.gateways.items()}
        return (
            classes,
            settings.response_timeout,
            settings.idle_timeout,
            settings.default_secret,
            settings.cors,
            settings.internal_tls,
        )

    def step(self, ingress: IngressTable, front: Front, children: Mapping[Ref, Seen]) -> KIngress | None:
        from knet.backends.contour.endpoint_probe import endpoint_probe
        from knet.backends.contour.httpproxies import GENERATION_LABEL

        if self.child_mark in ingress.origin.annotations:
            return None
        mine = [seen.rest for ref, seen in sorted(children.items()) if ref[0] == "HTTPProxy"]
        generation = str(ingress.origin.generation)
        if any(rest["metadata"]["labels"].get(GENERATION_LABEL) == generation for rest in mine):
            return None
        child = endpoint_probe(ingress, front.settings, mine)
        return child if child.spec.rules else None

    def content(self, found: Iterable[Seen]) -> bool:
        from knet.backends.contour.ready import is_valid

        return all(is_valid(seen.rest) for seen in found)

    def accepted(self, key: Key, made: Rendered, found: Mapping[Ref, Seen]) -> Readiness:
        observed = {f"{ref[1]}/{ref[2]}": seen.rest for ref, seen in found.items()}
        return self.backend.ready(made, observed).get(key, Readiness(State.READY))

    def targets(self, ingress: IngressTable, front: Front) -> tuple[Target, ...] | None:
        from knet.backends.contour.targets import probe_targets

        asked = probe_targets(ingress, front.settings)
        if not asked and any(row.hosts for row in ingress.rows):
            return None
        return tuple(
            found
            for target in asked
            for url in target.urls
            for found in _targets(ingress, ingress.raw_hash, target.pod_ips, target.pod_port, url)
        )

    def status(
        self, stage: str, ingress: IngressTable, front: Front, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        from knet.backends.contour.status import Stage, status

        found = {"endpoints": Stage.ENDPOINTS, "waiting": Stage.PROXIES, "ready": Stage.READY}[stage]
        return status(found, front.settings, ingress.origin.generation, before)


class IstioKind:
    """Istio: Gateways, Secret copies and VirtualServices. Istio says nothing: probes do. New endpoints come first."""

    def __init__(self) -> None:
        from knet.backends.istio import backend
        from knet.backends.istio.loading import MARK
        from knet.kube.resources import GATEWAYS, SECRETS, VIRTUAL_SERVICES

        self.backend: Backend = backend
        self.writes: tuple[Resource, ...] = (SECRETS, GATEWAYS, VIRTUAL_SERVICES)
        self.child_mark = MARK

    def rest(self, item: Object) -> Mapping[str, Any]:
        """Where VirtualServices lead, and the specs of shared Gateways: probes go where their servers are."""
        if item["kind"] == "VirtualService":
            from knet.backends.istio.loading import destinations

            return {"to": destinations(item.get("spec") or {})}
        if item["kind"] != "Gateway" or item["metadata"].get("ownerReferences"):
            return {}
        return {"spec": item.get("spec") or {}}

    def fronts(self, service: Service, front: Front) -> bool:
        if service.key in front.settings.selectors:
            return True
        labels = service.metadata.labels.items()
        selectors = [g.get("spec", {}).get("selector") or {} for g in front.gateways.values()]
        return any(s and s.items() <= labels for s in selectors)

    def rendering(self, settings: Any) -> Any:
        return settings

    def step(
        self,
        ingress: IngressTable,
        front: Front,  # noqa: ARG002 - the contract's
        children: Mapping[Ref, Seen],
    ) -> KIngress | None:
        from knet.backends.istio.loading import loading

        if self.child_mark in ingress.origin.annotations:
            return None
        return loading(ingress, [to for seen in children.values() for to in seen.rest.get("to", ())])

    def content(self, found: Iterable[Seen]) -> bool:  # noqa: ARG002 - Istio says nothing: probes do
        return True

    def accepted(self, key: Key, made: Rendered, found: Mapping[Ref, Seen]) -> Readiness:
        observed = {
            f"{o['metadata']['namespace']}/{o['metadata']['name']}": {"spec": o["spec"]}
            for o in made.objects
            if o["kind"] == "VirtualService" and ref_of(o) in found
        }
        return self.backend.ready(made, observed).get(key, Readiness(State.READY))

    def targets(self, ingress: IngressTable, front: Front) -> tuple[Target, ...] | None:
        from knet.backends.istio.targets import more_targets, probe_targets

        about = ingress, front.settings, front.gateways, front.world
        return tuple(
            found
            for target in (*probe_targets(*about), *more_targets(*about))
            for found in _targets(ingress, ingress.hash, target.pod_ips, target.pod_port, target.url)
        )

    def status(
        self, stage: str, ingress: IngressTable, front: Front, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        from knet.backends.istio.status import status

        return status(
            State.READY if stage == "ready" else State.WAITING, front.settings, ingress.origin, before
        )


KINDS: Mapping[str, Callable[[], Kind]] = {"contour": ContourKind, "istio": IstioKind}


def _targets(
    ingress: IngressTable, wanted: str, addresses: Iterable[str], port: int, url: str
) -> Iterator[Target]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    row = next((r for r in ingress.rows if any(host in expand(h.lower()) for h in r.hosts)), None)
    path = probed_path(row) if row else "/healthz"
    for address in addresses:
        yield Target((address, port), host, wanted, path, parts.scheme == "https")
