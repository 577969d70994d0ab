"""Two inputs compared: what requests see differently, what each gateway is given differently, and why.

Nothing is computed twice that is the same on both sides: equal contents are read once, equal
KIngresses become rows once, and only what can differ is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from knet.backends import objects
from knet.backends.api import Backend, Rendered
from knet.backends.objects import ObjectsDiff
from knet.errors import Diagnostic, ObjectRef, errors
from knet.files.load import Loaded, locate
from knet.files.world import Composed
from knet.routing.build import build, destinations, rebuild
from knet.routing.diff import HostDiff, affected, diff
from knet.routing.table import IngressTable, Key, RoutingTable
from knet.routing.world import World

Compose = Callable[[Loaded, str], Composed]
"""Inputs and an ingress class ("" for any) to a World: `knet.files.compose` with its options."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side as one gateway (or, for meaning, any of them) sees it."""

    loaded: Loaded
    composed: Composed
    table: RoutingTable

    @property
    def world(self) -> World:
        return self.composed.world


@dataclass(frozen=True, slots=True)
class GatewayDiff:
    """What one gateway is given differently.

    `parents` leads from an object to the KIngress it comes from. `left_out`: KIngresses that this
    gateway serves on the old side and, because of an error, not on the new one.
    """

    objects: ObjectsDiff
    parents: Mapping[ObjectRef, Key] = field(default_factory=dict)
    left_out: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of two inputs. `diagnostics` have their places.

    `broken`: errors in what was read, on either side: what they left out was not compared.
    `fresh`: errors that only the new side has; `lasting` counts those on both sides.
    """

    old: Side
    new: Side
    meaning: tuple[HostDiff, ...]
    gateways: Mapping[str, GatewayDiff]
    broken: tuple[Diagnostic, ...] = ()
    fresh: tuple[Diagnostic, ...] = ()
    lasting: int = 0


def sides(old: Loaded, new: Loaded, compose: Compose, ingress_class: str | None = None) -> tuple[Side, Side]:
    """Both sides with their tables, of all KIngresses or those of one class."""
    one, other = compose(old, ingress_class or ""), compose(new, ingress_class or "")
    table = build(one.world, ingress_class)
    return Side(old, one, table), Side(new, other, successor(table, one.world, other.world, ingress_class))


def successor(
    table: RoutingTable, before: World, after: World, ingress_class: str | None = None
) -> RoutingTable:
    """The table of `after` out of that of `before`: `build` of it, with equal KIngresses' rows shared."""
    if before is after:
        return table
    changed = [
        key
        for key in before.ingresses.keys() | after.ingresses.keys()
        if (a := before.ingresses.get(key)) is not (b := after.ingresses.get(key)) and a != b
    ]
    return rebuild(table, after, changed, ingress_class)


def compare(old: Loaded, new: Loaded, compose: Compose, backends: Mapping[str, Backend]) -> Comparison:
    """Compares two inputs in meaning, and in what each of the gateways is given."""
    one, other = sides(old, new, compose)
    found = diff(one.table, other.table)
    gateways: dict[str, GatewayDiff] = {}
    before = [*one.composed.diagnostics, *one.table.diagnostics]
    after = [*other.composed.diagnostics, *other.table.diagnostics]
    for name, backend in backends.items():
        pair = _narrowed(one, other, compose, backend.ingress_class)
        made, was, now = _gateway(*pair, backend)
        gateways[name] = made
        before += was
        after += now
    known = {_fact(d) for d in before}
    fresh = [d for d in errors(after) if _fact(d) not in known]
    return Comparison(
        one,
        other,
        found,
        gateways,
        tuple(dict.fromkeys((*errors(old.diagnostics), *errors(new.diagnostics)))),
        locate(dict.fromkeys(fresh), new, other.composed.parents),
        len({_fact(d) for d in errors(after)} & known),
    )


def _fact(diagnostic: Diagnostic) -> tuple[str, ObjectRef | None, str, str, str]:
    """What a diagnostic says, wherever the object stands now."""
    return diagnostic.code, diagnostic.about, diagnostic.field, diagnostic.message, diagnostic.gateway


def _narrowed(one: Side, other: Side, compose: Compose, ingress_class: str) -> tuple[Side, Side]:
    """The sides as the gateway of a class sees them."""
    worlds = (one.world, other.world)
    written = not (one.composed.compiled or other.composed.compiled)
    if written and all(i.ingress_class == ingress_class for w in worlds for i in w.ingresses.values()):
        return one, other
    return sides(one.loaded, other.loaded, compose, ingress_class)


def _gateway(
    old: Side, new: Side, backend: Backend
) -> tuple[GatewayDiff, list[Diagnostic], list[Diagnostic]]:
    """The difference for one gateway, and what it says about either side."""
    (was, bad_before), (now, bad_after) = backend.settings(old.world), backend.settings(new.world)
    changed = None if was != now else _sharing(affected(old.table, new.table), old.table, new.table)
    if changed is not None and not changed:
        return GatewayDiff(ObjectsDiff()), list(bad_before), list(bad_after)
    before = backend.render(old.table, was, changed)
    after = backend.render(new.table, now, changed)
    parents = {**_parents(before), **_parents(after)}
    turned = {key for d in diff(old.table, new.table, as_written=_written(backend)) for key in (d.old, d.new)}
    found = objects.compare(
        objects.identified(backend.documents(before)),
        objects.identified(backend.documents(after)),
        frozenset(identity for identity, key in parents.items() if key in turned),
    )
    lost = tuple(sorted(k for k in after.left_out - before.left_out if k in old.table.ingresses))
    return (
        GatewayDiff(found, parents, lost),
        [*bad_before, *before.diagnostics, *old.table.diagnostics],
        [*bad_after, *after.diagnostics],
    )


def _sharing(keys: frozenset[Key], old: RoutingTable, new: RoutingTable) -> frozenset[Key]:
    """The KIngresses, and those with which they share a Service or Secret.

    What both make is on both sides then, and not taken for new or gone when one of them changes.
    """
    tables = (old, new)
    used = {u for t in tables for k in keys if k in t.ingresses for u in _uses(t.ingresses[k])}
    if not used:
        return keys
    return keys | {k for t in tables for k, i in t.ingresses.items() if not used.isdisjoint(_uses(i))}


def _uses(ingress: IngressTable) -> frozenset[Key]:
    return destinations(ingress) | {entry.secret for entry in ingress.tls}


def _written(backend: Backend) -> bool:
    return not backend.capabilities.longest_path_first


def _parents(rendered: Rendered) -> dict[ObjectRef, Key]:
    return {
        of if isinstance(of, ObjectRef) else ObjectRef(of[0], "", of[1]): key
        for of, key in rendered.parents.items()
    }


@dataclass(frozen=True, slots=True)
class Impact:
    """What a changed ConfigMap alone does: its keys that differ, the hosts, the objects by gateway."""

    config: ObjectRef
    keys: tuple[str, ...]
    hosts: tuple[str, ...]
    objects: Mapping[str, int]


def impacts(found: Comparison, compose: Compose, backends: Mapping[str, Backend]) -> tuple[Impact, ...]:
    """The blast radius of each ConfigMap that differs: the new side against itself with the old one."""
    old, new = found.old.world.config_maps, found.new.world.config_maps
    made = []
    for key in sorted(old.keys() | new.keys()):
        was, now = (_data(side.get(key)) for side in (old, new))
        keys = tuple(sorted(k for k in was.keys() | now.keys() if was.get(k) != now.get(k)))
        if keys:
            made.append(_impact(found, ObjectRef("ConfigMap", *key), keys, compose, backends))
    return tuple(made)


def _data(config: object) -> dict[str, str]:
    data: dict[str, str] = getattr(config, "data", {})
    return {k: v for k, v in data.items() if k != "_example"}


def _impact(
    found: Comparison,
    config: ObjectRef,
    keys: tuple[str, ...],
    compose: Compose,
    backends: Mapping[str, Backend],
) -> Impact:
    given = dict(found.new.loaded.objects)
    given.pop(config, None)
    if config in found.old.loaded.objects:
        given[config] = found.old.loaded.objects[config]
    without = replace(found.new.loaded, objects=given)
    one, other = sides(without, found.new.loaded, compose)
    hosts = {h for d in diff(one.table, other.table) for h in d.hosts}
    counts: dict[str, int] = {}
    for name, backend in backends.items():
        both = _narrowed(one, other, compose, backend.ingress_class)
        made, _, _ = _gateway(*both, backend)
        touched = [*made.objects.added, *made.objects.removed, *(c.identity for c in made.objects.changed)]
        if touched:
            counts[name] = len(touched)
            by_all = any(i not in made.parents for i in touched)  # a listener, say, serves every host
            keys_of = {made.parents[i] for i in touched if i in made.parents}
            owners = [pair for side in both for pair in side.table.owners.items()]
            hosts |= {host for (_, host), owner in owners if by_all or owner in keys_of}
    return Impact(config, keys, tuple(sorted(hosts)), counts)
