"""The endpoints that were read, by Service: EndpointSlices, and Endpoints where there are none."""

from __future__ import annotations

from collections.abc import Iterator

from knet.files.load import Loaded
from knet.model import core
from knet.routing.world import Key


def slices(loaded: Loaded) -> dict[Key, tuple[core.EndpointSlice, ...]]:
    """EndpointSlices by the Service they belong to; plain Endpoints stand in where there are none."""
    found: dict[Key, tuple[core.EndpointSlice, ...]] = {}
    for piece in loaded.of(core.EndpointSlice):
        if piece.service[1]:
            found[piece.service] = (*found.get(piece.service, ()), piece)
    for endpoints in loaded.of(core.Endpoints):
        if endpoints.key not in found:
            found[endpoints.key] = tuple(mirrored(endpoints))
    return found


def mirrored(endpoints: core.Endpoints) -> Iterator[core.EndpointSlice]:
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
