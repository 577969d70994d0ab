"""The whole table to Istio's objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from knet import checks
from knet.backends.api import Rendered
from knet.backends.istio import gateways as gw
from knet.backends.istio import secrets
from knet.backends.istio.differences import differences
from knet.backends.istio.settings import Settings
from knet.backends.istio.virtualservices import make_virtual_services
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.build import in_bulk
from knet.routing.table import IngressTable, Key, RoutingTable, Visibility

GATEWAY = "istio"
EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


def render(table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None) -> Rendered:
    """Gateways, Secret copies and VirtualServices of every KIngress (of `changed` only, if given)."""
    out = _Collected(table)
    with in_bulk(len(table.ingresses if changed is None else changed)):
        for ingress in _wanted(table, changed):
            try:
                objects = make(ingress, table, settings)
            except (secrets.MissingSecretError, secrets.BadSecretError) as error:
                out.left_out.add(ingress.key)
                out.diagnostics.append(_refusal(ingress, error))
                continue
            out.diagnostics += differences(ingress, table, settings, objects)
            out.add(ingress, objects)
    return Rendered(
        tuple(out.objects.values()),
        parents=out.parents,
        left_out=frozenset(out.left_out),
        diagnostics=tuple(out.diagnostics),
        uses=out.uses,
    )


def make(ingress: IngressTable, table: RoutingTable, settings: Settings) -> list[dict[str, Any]]:
    """The objects of one KIngress. Raises MissingSecretError and BadSecretError (istio 11)."""
    chosen = {v: settings.chosen(v, ingress.origin.labels) for v in Visibility}
    names = {v: {g.qualified for g in found} for v, found in chosen.items()}
    objects: list[dict[str, Any]] = []
    if not _is_public(ingress):
        names[EXT] = set()
    else:
        found = secrets.certificates(table, ingress, EXT)
        if found.plain or found.wildcard or ingress.http_option == "Redirected":
            own = _external(ingress, found, settings, objects)
            names[EXT] = own
    if settings.cluster_local_tls:
        local = secrets.certificates(table, ingress, INT)
        if local.plain:
            made = list(gw.own_gateways(ingress, local, chosen[EXT], settings, visibility=INT, extra=[]))
            objects += made
            objects += secrets.copies(ingress.origin.name, local, chosen[EXT])
            names[INT] |= {gw.qualified(g) for g in made}
    return objects + make_virtual_services(ingress, {v: sorted(found) for v, found in names.items()})


def _external(
    ingress: IngressTable, found: secrets.Certificates, settings: Settings, objects: list[dict[str, Any]]
) -> set[str]:
    """Makes the external Gateways and Secret copies; the names that VirtualServices bind to.

    With TLS or a redirect, Gateways of its own take the place of the shared ones (istio 8).
    """
    chosen = settings.chosen(EXT, ingress.origin.labels)
    own = list(
        gw.own_gateways(ingress, found, chosen, settings, visibility=EXT, extra=[gw.http_server(ingress)])
    )
    shared = list(gw.wildcard_gateways(found, chosen, settings))
    objects += own
    objects += shared
    objects += secrets.copies(ingress.origin.name, found, chosen)
    return {gw.qualified(g) for g in (*own, *shared)}


def _is_public(ingress: IngressTable) -> bool:
    return any(row.visibility is EXT for row in ingress.rows)


def _wanted(table: RoutingTable, changed: frozenset[Key] | None) -> Iterable[IngressTable]:
    if changed is None:
        return table.ingresses.values()
    return [table.ingresses[key] for key in sorted(changed) if key in table.ingresses]


def _refusal(ingress: IngressTable, error: secrets.MissingSecretError | secrets.BadSecretError) -> Diagnostic:
    check = checks.MISSING_SECRET if isinstance(error, secrets.MissingSecretError) else checks.BAD_SECRET
    return check(
        str(error),
        about=ObjectRef(KIND, *ingress.key),
        field=f"spec.tls[{error.entry.index}].secretName",
        gateway=GATEWAY,
        hint="the KIngress is left out until this is mended",
    )


def _collision(ref: ObjectRef, elder: Key, younger: Key) -> Diagnostic:
    return checks.ISTIO_NAME_COLLISION(
        f"its {ref} has the name of the one of {'/'.join(elder)}, which loses its servers",
        about=ObjectRef(KIND, *younger),
        field="metadata.name",
        gateway=GATEWAY,
        hint="names whose first 52 characters are equal collide: give one of them a shorter name",
    )


@dataclass(slots=True)
class _Collected:
    """Objects by identity: shared ones (wildcard Gateways, copies) are made once.

    `uses` has the KIngresses that need no object at all, which nothing else would name.
    """

    table: RoutingTable
    objects: dict[ObjectRef, dict[str, Any]] = field(default_factory=dict)
    parents: dict[ObjectRef | tuple[str, str], Key] = field(default_factory=dict)
    left_out: set[Key] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    uses: dict[Key, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, ingress: IngressTable, objects: list[dict[str, Any]]) -> None:
        """Takes in what a KIngress makes."""
        key = ingress.key
        if not objects:
            self.uses[key] = {}
        for made in objects:
            meta = made["metadata"]
            ref = ObjectRef(made["kind"], meta["namespace"], meta["name"])
            first = self.objects.get(ref)
            if first is None:
                self.objects[ref] = made
                self.parents[ref] = key
            elif made["kind"] == "Gateway" and first["spec"] != made["spec"]:
                self._collide(ref, made, key)

    def _collide(self, ref: ObjectRef, made: dict[str, Any], key: Key) -> None:
        """Cut names can be equal; upstream's later update keeps the metadata of the elder KIngress."""
        other = self.parents[ref]
        elder, younger = sorted((other, key), key=self._age)
        if elder == key:
            self.parents[ref] = key
            self.objects[ref] = {**made, "spec": self.objects[ref]["spec"]}
        else:
            self.objects[ref] = {**self.objects[ref], "spec": made["spec"]}
        self.diagnostics.append(_collision(ref, elder, younger))

    def _age(self, key: Key) -> tuple[str, str, Key]:
        origin = self.table.ingresses[key].origin
        return origin.created, origin.uid, key
