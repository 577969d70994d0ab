"""Where Istio decides a request differently from `knet.routing.match`: said before anything is applied.

What is said is true of a request: one that both were asked, `decide` with the KIngress's own objects.
Only names of ports and wildcard hosts are told by looking at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from knet import checks
from knet.backends.decided import NOBODY, Decided, of_decision
from knet.backends.istio import witnesses
from knet.backends.istio.alike import surely_alike
from knet.backends.istio.decide import decide
from knet.backends.istio.settings import Settings
from knet.backends.istio.telling import Case, Finding, tell
from knet.backends.istio.virtualservices import port_number
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing import match
from knet.routing.order import rows_of
from knet.routing.table import IngressTable, RoutingTable, VirtualHost, Visibility

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


def differences(
    ingress: IngressTable, table: RoutingTable, settings: Settings, objects: list[dict[str, Any]]
) -> Iterator[Diagnostic]:
    """One finding for each cause and field. `objects` are what was made of this KIngress."""
    findings = [*_named_ports(ingress), *_wildcards(ingress)]
    if not surely_alike(ingress, table, settings):
        findings += map(tell, _cases(ingress, table, settings, objects))
    for (check, where), (said, hint) in _first_of_each(findings).items():
        yield check(said, about=ObjectRef(KIND, *ingress.key), field=where, gateway="istio", hint=hint)


def _first_of_each(findings: Iterable[Finding]) -> dict[tuple[Any, str], tuple[str, str]]:
    found: dict[tuple[Any, str], tuple[str, str]] = {}
    for check, said, where, hint in findings:
        found.setdefault((check, where), (said, hint))
    return found


def _named_ports(ingress: IngressTable) -> Iterator[Finding]:
    seen: set[int] = set()
    for row in ingress.rows:
        for route in row.routes:
            if id(route.splits) in seen:
                continue
            seen.add(id(route.splits))
            for i, split in enumerate(route.splits):
                port = split.destination.port
                if not port_number(port):
                    where = f"spec.rules[{route.rule}].http.paths[{route.path}].splits[{i}].servicePort"
                    said = f"port {port} is a name, and Istio is given port 0"
                    yield checks.ISTIO_NAMED_PORT, said, where, "write its number"


def _wildcards(ingress: IngressTable) -> Iterator[Finding]:
    for row in ingress.rows:
        for i, host in enumerate(row.hosts):
            if "*" in host:
                said = f"{host} is taken literally, as a prefix of the authority"
                yield checks.ISTIO_UNSERVED, said, f"spec.rules[{row.rule}].hosts[{i}]", "name each host"


def _cases(
    ingress: IngressTable, table: RoutingTable, settings: Settings, objects: list[dict[str, Any]]
) -> Iterator[Case]:
    """The requests that are decided differently; of a gateway that is not there, one says all."""
    schemes = ("http", "https") if ingress.tls else ("http",)
    for visibility in Visibility:
        shared = {g.qualified for g in settings.gateways.get(visibility, ())}
        for name, rows in _asked(ingress, table, visibility):
            case = None
            enough: set[tuple[int, str]] = set()
            for request, subject in witnesses.requests(rows, name, visibility, schemes):
                if (id(subject), request.scheme) in enough:
                    continue
                wanted, found = match.decide(table, request), decide(objects, shared, request)
                if _differ(ingress, wanted, found):
                    case = Case(ingress, settings, request, wanted, found)
                    yield case
                    if subject is not None and wanted.route is subject:
                        enough.add((id(subject), request.scheme))
            if case and not case.has_gateway:
                break


def _asked(
    ingress: IngressTable, table: RoutingTable, visibility: Visibility
) -> Iterator[tuple[str, list[VirtualHost]]]:
    """The names to ask for, with the rules that may take them; of names that are treated alike, one."""
    asked: set[Any] = set()
    for name in witnesses.names(ingress):
        if visibility is INT and _is_anyhow_unserved(table, name):
            continue
        rows = witnesses.rows_taking(ingress, name)
        same = (tuple(row.rule for row in rows), tuple(row.rule for row in rows if name in row.hosts))
        alike = same in asked and table.owners.get((visibility, name)) == ingress.key
        if ingress.tls or not alike:
            asked.add(same)
            yield name, rows


def _differ(ingress: IngressTable, wanted: match.Decision, found: Decided) -> bool:
    """Of a host that another KIngress owns, only what Istio would have this one take counts."""
    taken_by_other = wanted.ingress not in (None, ingress.key)
    return not (taken_by_other and found.outcome in NOBODY) and not found.agrees(of_decision(wanted))


def _is_anyhow_unserved(table: RoutingTable, name: str) -> bool:
    """Whether an external rule has the name: inside, Istio does not serve it (a capability)."""
    owner = table.owners.get((INT, name))
    rows = rows_of(table.ingresses[owner], INT, name) if owner else []
    return any(row.visibility is EXT for row in rows)
