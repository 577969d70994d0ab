"""The whole table to Envoy resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from knet.backends.api import Rendered
from knet.backends.kourier.gateway import gateway_resources
from knet.backends.kourier.ingress import Made, Translator
from knet.backends.kourier.settings import CA_SECRET, Settings
from knet.backends.kourier.upstreams import Clusters
from knet.backends.kourier.vhosts import VirtualHosts
from knet.backends.parents import Parents
from knet.envoy.build import secrets
from knet.errors import Diagnostic, ObjectRef
from knet.routing.table import IngressTable, Key, RoutingTable

SECTIONS = ("listeners", "scopedRoutes", "routes", "clusters", "endpoints", "secrets")


def render(table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None) -> Rendered:
    """The gateway's own resources, and those of every KIngress (of `changed` only, if given)."""
    ca_secret = "/".join(CA_SECRET) if settings.ca_pem else ""
    clusters = Clusters(table, ca_secret)
    translator = Translator(
        table, clusters, VirtualHosts(clusters, authz=settings.http.ext_authz is not None)
    )
    out = _Collected(table)
    own, problems = gateway_resources(table, settings)
    for section, found in own.items():
        out.resources[section].update(found)
    out.diagnostics += problems
    for ingress in _wanted(table, changed):
        out.add(ingress.key, translator.translate(ingress))
    return Rendered(
        (),
        out.resources,
        Parents(partial(_parents, out.uses)),
        frozenset(out.left_out),
        tuple(out.diagnostics),
        out.uses,
    )


def _wanted(table: RoutingTable, changed: frozenset[Key] | None) -> Iterable[IngressTable]:
    if changed is None:
        return table.ingresses.values()
    return [table.ingresses[key] for key in sorted(changed) if key in table.ingresses]


def _parents(uses: Mapping[Key, Mapping[str, tuple[str, ...]]]) -> dict[ObjectRef | tuple[str, str], Key]:
    """The KIngress of each resource: of those who share one, the first."""
    found: dict[ObjectRef | tuple[str, str], Key] = {}
    for key, sections in uses.items():
        for section, names in sections.items():
            for name in names:
                found.setdefault((section, name), key)
    return found


@dataclass(slots=True)
class _Collected:
    table: RoutingTable
    resources: dict[str, dict[str, bytes]] = field(default_factory=lambda: {s: {} for s in SECTIONS})
    uses: dict[Key, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: set[Key] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, key: Key, made: Made) -> None:
        """Takes in what a KIngress makes, and who made it."""
        self.diagnostics += made.diagnostics
        if made.refused or not made.scopes:
            self.left_out.add(key)
            return
        used: dict[str, tuple[str, ...]] = {}
        clusters = {name: c.cluster for name, c in made.clusters.items()}
        endpoints = {name: c.endpoints for name, c in made.clusters.items() if c.endpoints is not None}
        for section, found in (
            ("scopedRoutes", made.scopes),
            ("routes", made.routes),
            ("clusters", clusters),
            ("endpoints", endpoints),
            ("secrets", {"/".join(secret): self._secret(secret) for secret in made.secrets}),
        ):
            if found:
                self.resources[section].update(found)
                used[section] = tuple(found)
        self.uses[key] = used

    def _secret(self, key: Key) -> bytes:
        held = self.table.certificates[key]
        return secrets.certificate("/".join(key), held.chain_pem, held.key_pem)
