"""The whole table to HTTPProxies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from knet import checks
from knet.backends.api import Rendered
from knet.backends.contour.arbitration import Arbiter
from knet.backends.contour.differences import differences
from knet.backends.contour.httpproxies import KIND, ProxyMaker
from knet.backends.contour.placement import place
from knet.backends.contour.settings import Settings
from knet.backends.contour.telling import tell
from knet.backends.parents import Parents
from knet.errors import Diagnostic, ObjectRef, Severity
from knet.routing.build import in_bulk
from knet.routing.table import IngressTable, Key, Route, RoutingTable, Upstream

MAX_LABEL = 63


def render(table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None) -> Rendered:
    """HTTPProxies of every KIngress (of `changed` only, if given), KIngress by KIngress in order."""
    out = _Collected()
    with in_bulk(len(table.ingresses if changed is None else changed)):
        _render(table, settings, _wanted(table, changed), out)
    return Rendered(
        tuple(chain.from_iterable(out.proxies.values())),
        parents=Parents(partial(_parents, out.proxies)),
        left_out=frozenset(out.left_out),
        diagnostics=tuple(out.diagnostics),
    )


def _render(table: RoutingTable, settings: Settings, wanted: Iterable[IngressTable], out: _Collected) -> None:
    maker = ProxyMaker(table.upstreams, settings)
    arbiter = Arbiter(table, settings)
    for ingress in wanted:
        problems = obstacles(ingress, table.upstreams)
        if problems:
            out.diagnostics += problems
            out.left_out.add(ingress.key)
            continue
        places = arbiter.kept(ingress, place(ingress, settings))
        out.diagnostics += differences(ingress, places, settings)
        out.add(ingress.key, maker.proxies(ingress, places))


def obstacles(ingress: IngressTable, upstreams: Mapping[Key, Upstream]) -> list[Diagnostic]:
    """Why nothing of a KIngress can be made: net-contour fails on these as well."""
    found = []
    if len(ingress.origin.name.encode()) > MAX_LABEL:
        why = f"the name of the KIngress is longer than {MAX_LABEL}, and HTTPProxies carry it as a label"
        refused = tell(ingress, checks.REFUSED_PROXY, why, "metadata.name", "give it a shorter name")
        found.append(replace(refused, severity=Severity.ERROR))
    seen: set[int] = set()
    for row in ingress.rows:
        for route in row.routes:
            if id(route.splits) not in seen:
                seen.add(id(route.splits))
                found += _missing(ingress, route, upstreams)
    return found


def _missing(ingress: IngressTable, route: Route, upstreams: Mapping[Key, Upstream]) -> Iterator[Diagnostic]:
    for k, split in enumerate(route.splits):
        where = split.destination
        field = f"spec.rules[{route.rule}].http.paths[{route.path}].splits[{k}]"
        if where.namespace != ingress.origin.namespace:
            yield tell(
                ingress,
                checks.OTHER_NAMESPACE,
                f"Service {where.namespace}/{where.service} is not in the namespace of the KIngress, "
                "and an HTTPProxy reaches no other",
                f"{field}.serviceNamespace",
                "put the KIngress into the namespace of its Services",
            )
        elif where.key not in upstreams:
            yield tell(
                ingress,
                checks.MISSING_BACKEND,
                f"Service {where.namespace}/{where.service} does not exist",
                f"{field}.serviceName",
                "add its file to the inputs, or say --assume-backends",
            )


def _wanted(table: RoutingTable, changed: frozenset[Key] | None) -> Iterable[IngressTable]:
    if changed is None:
        return table.ingresses.values()
    return [table.ingresses[key] for key in sorted(changed) if key in table.ingresses]


@dataclass(slots=True)
class _Collected:
    proxies: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    left_out: set[Key] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, key: Key, made: list[dict[str, Any]]) -> None:
        """Takes in the HTTPProxies of a KIngress."""
        if not made:
            self.left_out.add(key)
        self.proxies[key] = made


def _parents(proxies: Mapping[Key, list[dict[str, Any]]]) -> dict[ObjectRef | tuple[str, str], Key]:
    return {ObjectRef(KIND, k[0], p["metadata"]["name"]): k for k, made in proxies.items() for p in made}
