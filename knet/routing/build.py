"""World to RoutingTable: the ordered passes.

`build` makes the whole table; `rebuild` the same table from an earlier one and what changed since
(a property test says that they are equal).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from knet.errors import Diagnostic
from knet.model.kingress import KIngress
from knet.routing.passes import certificates, conflicts, probes, rows, tls, upstreams
from knet.routing.table import Certificate, IngressTable, Key, Origin, RoutingTable, Upstream
from knet.routing.world import World


def build_ingress(ingress: KIngress) -> IngressTable:
    """All rows of one KIngress. It need not be valid: what is not there gives no routes."""
    raw_hash = ingress.hash
    defaulted = ingress.defaulted()
    probe_hash = raw_hash if defaulted is ingress else defaulted.hash
    meta = ingress.metadata
    origin = Origin(
        meta.namespace,
        meta.name,
        meta.uid,
        meta.generation,
        meta.creation_timestamp,
        meta.labels,
        meta.annotations,
    )
    made = probes.insert_probes(rows.make_rows(ingress), probe_hash)
    entries = tls.tls_entries(ingress)
    return IngressTable(origin, made, entries, ingress.spec.http_option, probe_hash, raw_hash)


def build(world: World, ingress_class: str | None = None) -> RoutingTable:
    """The table of all KIngresses of one class (None: of any class)."""
    tables = {
        key: build_ingress(ingress)
        for key, ingress in sorted(world.ingresses.items())
        if ingress_class is None or ingress.ingress_class == ingress_class
    }
    return _assemble(tables, world)


def rebuild(
    table: RoutingTable, world: World, changed: Iterable[Key], ingress_class: str | None = None
) -> RoutingTable:
    """The table after the KIngresses `changed` (made, edited or deleted) in `world`.

    Changed Services, endpoints and Secrets are read from `world` anew for every KIngress.
    """
    tables = dict(table.ingresses)
    for key in changed:
        ingress = world.ingresses.get(key)
        if ingress is None or (ingress_class is not None and ingress.ingress_class != ingress_class):
            tables.pop(key, None)
        else:
            tables[key] = build_ingress(ingress)
    return _assemble(dict(sorted(tables.items())), world)


def _assemble(tables: Mapping[Key, IngressTable], world: World) -> RoutingTable:
    found: list[Diagnostic] = []
    owners, lost = conflicts.arbitrate(tables.values())
    found += lost
    return RoutingTable(
        tables,
        owners,
        _upstreams(tables.values(), world),
        _certificates(tables.values(), world),
        tuple(found),
    )


def destinations(ingress: IngressTable) -> frozenset[Key]:
    """The Services a KIngress sends traffic to."""
    return frozenset(
        split.destination.key for row in ingress.rows for route in row.routes for split in route.splits
    )


def _upstreams(tables: Iterable[IngressTable], world: World) -> dict[Key, Upstream]:
    wanted = sorted({key for t in tables for key in destinations(t)})
    return {key: made for key in wanted if (made := upstreams.make_upstream(key, world))}


def _certificates(tables: Iterable[IngressTable], world: World) -> dict[Key, Certificate]:
    wanted = sorted({entry.secret for t in tables for entry in t.tls})
    return {key: certificates.make_certificate(world.secrets[key]) for key in wanted if key in world.secrets}
