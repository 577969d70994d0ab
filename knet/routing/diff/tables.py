"""Two tables to the hosts that change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from knet.routing.build import destinations
from knet.routing.diff.changes import Change, HostDiff, Kind
from knet.routing.diff.compare import compare, shifts
from knet.routing.diff.view import Action, HostView, host_view
from knet.routing.table import Destination, Key, RoutingTable, Upstream, Visibility

BOTH = (Visibility.EXTERNAL, Visibility.INTERNAL)
Views = dict[Visibility, HostView]


def diff(old: RoutingTable, new: RoutingTable, *, as_written: bool = False) -> tuple[HostDiff, ...]:
    """The hosts that mean something else in `new`; empty if every request is decided alike.

    Hosts of one KIngress that change alike come as one. KIngresses that are the same on both sides
    cost nothing but a look at their identity. `as_written` is the order for gateways that do not put
    the longest path first.
    """
    upstreams = _changed(old.upstreams, new.upstreams)
    touched = affected(old, new)
    hosts = {host for table in (old, new) for (_, host), owner in table.owners.items() if owner in touched}
    found: dict[tuple[Key | None, Key | None, tuple[Change, ...]], list[str]] = {}
    for host in _outermost(hosts):
        before, after = _views(old, host, as_written), _views(new, host, as_written)
        changes = (*_host(before, after), *_upstreams(before, after, old, new, upstreams))
        if changes:
            found.setdefault((_owner(before), _owner(after), changes), []).append(host)
    made = (HostDiff(_outermost(names), *key) for key, names in found.items())
    return tuple(sorted(made, key=lambda d: (_rank(d), d.hosts)))


def affected(old: RoutingTable, new: RoutingTable) -> frozenset[Key]:
    """The KIngresses whose rows, hosts, Services or certificates are not the same on both sides.

    What a gateway is given can differ for these alone, as long as its settings are equal.
    """
    keys = set(_changed(old.ingresses, new.ingresses))
    for place in old.owners.keys() | new.owners.keys():
        was, now = old.owners.get(place), new.owners.get(place)
        if was != now:
            keys |= {k for k in (was, now) if k}
    upstreams = _changed(old.upstreams, new.upstreams)
    certificates = _changed(old.certificates, new.certificates)
    if upstreams or certificates:
        for table in (*old.ingresses.values(), *new.ingresses.values()):
            secrets = {entry.secret for entry in table.tls}
            if secrets & certificates or destinations(table) & upstreams:
                keys.add(table.key)
    return frozenset(keys)


def _changed(old: Mapping[Key, Any], new: Mapping[Key, Any]) -> frozenset[Key]:
    """The keys whose values differ; the same object on both sides is equal for free."""
    return frozenset(
        k for k in old.keys() | new.keys() if (a := old.get(k)) is not (b := new.get(k)) and a != b
    )


def _views(table: RoutingTable, host: str, as_written: bool) -> Views:
    return {v: view for v in BOTH if (view := host_view(table, v, host, as_written=as_written))}


def _host(old: Views, new: Views) -> Iterator[Change]:
    if not (old and new):
        kind, views = (Kind.HOST_ADDED, new) if new else (Kind.HOST_REMOVED, old)
        view = next(iter(views.values()))
        yield Change(kind, tuple(views), shifts=shifts(_default(old), _default(new)), where=view.where)
        return
    for kind, more, less in (
        (Kind.VISIBILITY_WIDENED, new, old),
        (Kind.VISIBILITY_NARROWED, old, new),
    ):
        if only := tuple(v for v in more if v not in less):
            yield Change(kind, only, where=next(iter(new.values())).where)
    yield from _compared({v: compare(old[v], new[v]) for v in BOTH if v in old and v in new})


def _default(views: Views) -> Action | None:
    """What happens to a plain request for `/`, or to those of the last route where there is none."""
    for view in views.values():
        if view.live:
            plain = [r for r in view.live if r.match.path == "/" and not r.match.headers]
            return (plain or view.live)[-1].action
    return None


def _compared(found: Mapping[Visibility, list[Change]]) -> Iterator[Change]:
    """The changes of both gateways, each once."""
    for change in dict.fromkeys(c for changes in found.values() for c in changes):
        where = tuple(v for v, changes in found.items() if change in changes)
        yield change if len(where) == len(found) else replace(change, visibilities=where)


def _upstreams(
    before: Views, after: Views, old: RoutingTable, new: RoutingTable, changed: frozenset[Key]
) -> Iterator[Change]:
    """Services behind the host that are reached in another way."""
    if not changed:
        return
    wheres = _destinations(before) & _destinations(after)
    for where in sorted((d for d in wheres if d.key in changed), key=str):
        was, now = (
            describe(old.upstreams.get(where.key), where),
            describe(new.upstreams.get(where.key), where),
        )
        if was != now:
            yield Change(Kind.UPSTREAM_CHANGED, subject=where.service, old=was, new=now)


def _destinations(views: Views) -> set[Destination]:
    return {d for view in views.values() for route in view.live for d in route.action.percents()}


def describe(upstream: Upstream | None, where: Destination) -> str:
    """In words, how a destination is reached. Which addresses are behind it is not meaning."""
    if upstream is None:
        return "no such Service"
    if upstream.external_name:
        return f"ExternalName {upstream.external_name}"
    port = upstream.port(where.port)
    if port is None:
        return f"no port {where.port}"
    protocol = "h2c" if port.name in ("h2c", "http2") else port.app_protocol or "http/1"
    target = f" to {port.target}" if port.target else ""
    return f"port {where.port}{target}, {protocol}{'' if upstream.ready else ', no ready endpoint'}"


def _owner(views: Views) -> Key | None:
    return next((view.owner for view in views.values()), None)


def _outermost(hosts: Collection[str]) -> tuple[str, ...]:
    """Public names before the cluster's own, and of these the whole before its short forms."""
    known = frozenset(hosts)

    def rank(host: str) -> int:
        if f"{host}.svc" in known:
            return 3
        return 2 if f"{host}.cluster.local" in known else host.endswith(".svc.cluster.local")

    return tuple(sorted(known, key=lambda h: (rank(h), h)))


def _rank(found: HostDiff) -> int:
    if found.has(Kind.HOST_ADDED):
        return 1
    return 2 if found.has(Kind.HOST_REMOVED) else 0
