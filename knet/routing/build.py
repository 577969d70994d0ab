"""World to RoutingTable: the ordered passes.

`build` makes the whole table; `rebuild` the same table from an earlier one and what changed since
(a property test says that they are equal).
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from knet.model.kingress import KIngress
from knet.routing.passes import certificates, conflicts, rows, tls, upstreams
from knet.routing.table import Certificate, IngressTable, Key, Origin, RoutingTable, Upstream
from knet.routing.world import World

T = TypeVar("T")


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
    made = rows.make_rows(ingress, probe_hash)
    entries = tls.tls_entries(ingress)
    return IngressTable(origin, made, entries, ingress.spec.http_option, probe_hash, raw_hash)


def build(world: World, ingress_class: str | None = None) -> RoutingTable:
    """The table of all KIngresses of one class (None: of any class)."""
    with in_bulk(len(world.ingresses)):
        tables = {
            key: build_ingress(ingress)
            for key, ingress in sorted(world.ingresses.items())
            if ingress_class is None or ingress.ingress_class == ingress_class
        }
        owners, contested = conflicts.arbitrate(tables.values())
        users: dict[Key, int] = {}
        for table in tables.values():
            for key in destinations(table):
                users[key] = users.get(key, 0) + 1
        return RoutingTable(
            tables,
            owners,
            {key: made for key in sorted(users) if (made := upstreams.make_upstream(key, world))},
            _certificates(tables.values(), world),
            conflicts.findings(contested, tables),
            contested,
            users,
        )


def rebuild(
    table: RoutingTable, world: World, changed: Iterable[Key], ingress_class: str | None = None
) -> RoutingTable:
    """The table after a change of the KIngresses `changed`, at the cost of those.

    They were made, edited or deleted in `world`, or Services, endpoints or Secrets that they refer to
    were: what all other KIngresses refer to is taken from `table` as it is. What is new comes last in the
    mappings; putting it into its place among 10,000 would cost ten times the rest.
    """
    changed = sorted(set(changed))
    made: dict[Key, IngressTable | None] = {}
    for key in changed:
        ingress = world.ingresses.get(key)
        ours = ingress is not None and ingress_class in (None, ingress.ingress_class)
        made[key] = build_ingress(ingress) if ingress is not None and ours else None
    tables = _replaced(table.ingresses, made)
    owners, contested = conflicts.rearbitrate(table.owners, table.contested, table.ingresses, tables, changed)
    same = contested is table.contested
    users = _users(table, tables, changed)
    return RoutingTable(
        tables,
        owners,
        _upstreams(table, tables, users, changed, world),
        _recertified(table, tables, changed, world),
        table.diagnostics if same else conflicts.findings(contested, tables),
        contested,
        users,
    )


def destinations(ingress: IngressTable) -> frozenset[Key]:
    """The Services a KIngress sends traffic to."""
    # splits are shared between routes (`rows`), so that few are looked at twice
    distinct = {id(route.splits): route.splits for row in ingress.rows for route in row.routes}
    return frozenset([s.destination.key for splits in distinct.values() for s in splits])


MANY = 1_000
"""So many objects are a world that stays, not a test or a single change."""


@contextmanager
def in_bulk(count: int) -> Iterator[None]:
    """Work on `count` objects that makes no garbage cycles: the cyclic collector waits.

    It would walk the whole, ever larger world again and again: 10,000 KIngresses take 300 µs each with it
    and 120 µs without. What `MANY` made is set aside (`gc.freeze`), for it is there to stay: walking it
    once more at the end would cost another 40 µs each.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            if count >= MANY:
                gc.freeze()
            gc.enable()


def _users(
    table: RoutingTable, tables: Mapping[Key, IngressTable], changed: Iterable[Key]
) -> Mapping[Key, int]:
    """How many KIngresses refer to each Service, after a change."""
    by: dict[Key, int] = {}
    for key in changed:
        for ingresses, step in ((table.ingresses, -1), (tables, 1)):
            if ingress := ingresses.get(key):
                for service in destinations(ingress):
                    by[service] = by.get(service, 0) + step
    if not any(by.values()):
        return table.users
    users = dict(table.users)
    for service, step in by.items():
        if count := users.get(service, 0) + step:
            users[service] = count
        else:
            users.pop(service, None)
    return users


def _upstreams(
    table: RoutingTable,
    tables: Mapping[Key, IngressTable],
    users: Mapping[Key, int],
    changed: Iterable[Key],
    world: World,
) -> Mapping[Key, Upstream]:
    """The upstreams after a change: those of `changed` anew, without those that nobody uses now."""
    touched: set[Key] = set()
    for key in changed:
        for ingresses in (table.ingresses, tables):
            if ingress := ingresses.get(key):
                touched |= destinations(ingress)
    made = {key: upstreams.make_upstream(key, world) if key in users else None for key in touched}
    return _replaced(table.upstreams, made)


def _certificates(tables: Iterable[IngressTable], world: World) -> dict[Key, Certificate]:
    wanted = sorted({entry.secret for t in tables for entry in t.tls})
    return {key: certificates.make_certificate(world.secrets[key]) for key in wanted if key in world.secrets}


def _recertified(
    table: RoutingTable, tables: Mapping[Key, IngressTable], changed: Iterable[Key], world: World
) -> Mapping[Key, Certificate]:
    """The certificates after a change. Only where an entry went is it looked who else refers to it."""
    before = {e.secret for k in changed if (t := table.ingresses.get(k)) for e in t.tls}
    after = {e.secret for k in changed if (t := tables.get(k)) for e in t.tls}
    gone = before - after
    if gone:
        gone -= {entry.secret for t in tables.values() for entry in t.tls}
    made: dict[Key, Certificate | None] = dict.fromkeys(gone)
    for key in after:
        secret = world.secrets.get(key)
        made[key] = certificates.make_certificate(secret) if secret else None
    return _replaced(table.certificates, made)


def _replaced(old: Mapping[Key, T], made: Mapping[Key, T | None]) -> Mapping[Key, T]:
    """`old` with what was made; None removes. The same mapping where nothing differs."""
    if all(old.get(key) == value for key, value in made.items()):
        return old
    new = dict(old)
    for key, value in made.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = value
    return new
