"""What was read, as the World that routing works on, for one gateway's class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from knet.errors import Diagnostic, ObjectRef
from knet.files.load import Loaded
from knet.model import core
from knet.model.kingress import KIngress
from knet.routing.world import Key, World


@dataclass(frozen=True, slots=True)
class Composed:
    """A World, what is wrong with it, and for each compiled KIngress the object it comes from.

    `implied_secrets`: certificates that the control plane will order. `compiled`: the KIngresses that
    nobody wrote down.
    """

    world: World
    diagnostics: tuple[Diagnostic, ...] = ()
    parents: Mapping[ObjectRef, ObjectRef] = field(default_factory=dict)
    implied_secrets: frozenset[Key] = frozenset()
    compiled: Mapping[Key, KIngress] = field(default_factory=dict)


def compose(
    loaded: Loaded,
    ingress_class: str = "",
    *,
    revision_names: Mapping[str, str] | None = None,
    assume_backends: bool = False,
    lenient: bool = False,
) -> Composed:
    """The World of everything that was read.

    Knative's objects are compiled to KIngresses of `ingress_class` (as config-network says if it is
    empty); a KIngress that is written wins over a compiled one of its name (KNET009). KIngresses that
    validation refuses are left out unless `lenient`. With `assume_backends` every Service that
    traffic goes to counts as there and ready. Only what is new is in `diagnostics`, without places: `locate`.
    """
    ingresses = {
        o.key: o
        for ref, o in loaded.objects.items()
        if isinstance(o, KIngress) and (lenient or ref not in loaded.invalid)
    }
    base = World(
        ingresses,
        {o.key: o for o in loaded.of(core.Service)},
        slices(loaded),
        {o.key: o for o in loaded.of(core.Secret)},
        {o.key: o for o in loaded.of(core.ConfigMap)},
    )
    if assume_backends:
        base = replace(base, implied=base.implied | destinations(base))
    return Composed(base)


def destinations(world: World) -> frozenset[Key]:
    """The Services that the KIngresses send traffic to."""
    return frozenset(
        (split.service_namespace, split.service_name)
        for ingress in world.ingresses.values()
        for rule in ingress.spec.rules
        for path in (rule.http.paths if rule.http else ())
        for split in path.splits
    )


def slices(loaded: Loaded) -> dict[Key, tuple[core.EndpointSlice, ...]]:
    """EndpointSlices by the Service they belong to; plain Endpoints stand in where there are none."""
    found: dict[Key, tuple[core.EndpointSlice, ...]] = {}
    for piece in loaded.of(core.EndpointSlice):
        if piece.service[1]:
            found[piece.service] = (*found.get(piece.service, ()), piece)
    for endpoints in loaded.of(core.Endpoints):
        if endpoints.key not in found:
            found[endpoints.key] = tuple(_mirrored(endpoints))
    return found


def _mirrored(endpoints: core.Endpoints) -> Iterator[core.EndpointSlice]:
    """The slices that Kubernetes' mirroring controller would make: one for each subset and family."""
    labels = {**endpoints.metadata.labels, core.SERVICE_NAME_LABEL: endpoints.metadata.name}
    for i, subset in enumerate(endpoints.subsets):
        for family in ("IPv4", "IPv6"):
            members = tuple(
                core.Endpoint(addresses=(a.ip,), conditions=core.EndpointConditions(ready=ready))
                for ready, group in ((True, subset.addresses), (False, subset.not_ready_addresses))
                for a in group
                if (":" in a.ip) == (family == "IPv6")
            )
            if members:
                name = f"{endpoints.metadata.name}-{i}-{family.lower()}"
                meta = endpoints.metadata.model_copy(update={"name": name, "labels": labels})
                yield core.EndpointSlice(
                    api_version="discovery.k8s.io/v1",
                    kind="EndpointSlice",
                    metadata=meta,
                    address_type=family,
                    endpoints=members,
                    ports=subset.ports,
                )
