"""All that can be said of a routing table before anything is applied: references, TLS, order.

Pure functions of (World, RoutingTable, now); what a single gateway cannot express is its backend's
to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from knet import checks
from knet.errors import Diagnostic, ObjectRef, Severity
from knet.model.kingress import KIND
from knet.routing.check_order import check_order
from knet.routing.check_tls import check_tls
from knet.routing.table import IngressTable, Key, Route, RoutingTable, Split, Upstream
from knet.routing.world import World


def check(
    world: World,
    table: RoutingTable,
    *,
    implied_secrets: frozenset[Key] = frozenset(),
    now: dt.datetime | None = None,
) -> tuple[Diagnostic, ...]:
    """Every finding about a table, without places, in the table's order.

    `implied_secrets` will be made by the control plane. Certificates are held against `now` if given.
    """
    found: list[Diagnostic] = [*table.diagnostics]
    for ingress in table.ingresses.values():
        found += check_backends(ingress, table, world)
        found += check_order(ingress)
    found += check_tls(table, implied_secrets, now)
    return tuple(found)


def check_backends(ingress: IngressTable, table: RoutingTable, world: World) -> Iterator[Diagnostic]:
    """Destinations that are missing, lack the port, or have no ready address; each once."""
    seen: set[tuple[object, ...]] = set()
    about = ObjectRef(KIND, *ingress.key)
    for route, k, split in _splits(ingress):
        where = split.destination
        at = f"spec.rules[{route.rule}].http.paths[{route.path}].splits[{k}]"
        upstream = table.upstreams.get(where.key)
        if (where.key, where.port) in seen:
            continue
        seen.add((where.key, where.port))
        if upstream is None:
            yield _missing(about, at, split)
        elif not _has_port(upstream, where.port):
            known = ", ".join(f"{p.number} ({p.name})" if p.name else str(p.number) for p in upstream.ports)
            yield checks.MISSING_PORT(
                f"Service {where.namespace}/{where.service} has no port {where.port}",
                about=about,
                field=f"{at}.servicePort",
                hint=f"it has {known}" if known else "it has no ports",
            )
        elif not upstream.ready and where.key in world.endpoint_slices:
            yield checks.NO_ENDPOINTS(
                f"Service {where.namespace}/{where.service} has no ready address",
                about=about,
                field=f"{at}.serviceName",
                hint="requests get 503 until a pod is ready",
            )


def _splits(ingress: IngressTable) -> Iterator[tuple[Route, int, Split]]:
    for row in ingress.rows:
        for route in row.routes:
            if not route.probe:
                for k, split in enumerate(route.splits):
                    yield route, k, split


def _missing(about: ObjectRef, at: str, split: Split) -> Diagnostic:
    where = split.destination
    share = " (which gets 0 percent, and still has to exist)" if not split.weight else ""
    return checks.MISSING_BACKEND(
        f"Service {where.namespace}/{where.service}{share} does not exist",
        about=about,
        field=f"{at}.serviceName",
        hint="add its file to the inputs, or say --assume-backends",
    )


def _has_port(upstream: Upstream, port: int | str) -> bool:
    if isinstance(port, str) and port.isdecimal():
        port = int(port[:6])
    # an unnamed port takes any number (facts/translation.md part 1, kourier 6)
    return upstream.port(port) is not None or bool(upstream.external_name)


def unique(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Without repeats: what holds for all gateways is not said again for one of them.

    A gateway's finding repeats a general one of the same check and field, or of a field inside its
    own, unless it weighs more.
    """
    given = list(dict.fromkeys(diagnostics))
    general: dict[tuple[str, ObjectRef | None], list[Diagnostic]] = {}
    for d in given:
        if not d.gateway:
            general.setdefault((d.code, d.about), []).append(d)
    return tuple(
        d for d in given if not (d.gateway and any(_says(g, d) for g in general.get((d.code, d.about), ())))
    )


def _says(general: Diagnostic, own: Diagnostic) -> bool:
    inside = general.field == own.field or general.field.startswith(f"{own.field}.")
    return inside and (general.severity is Severity.ERROR or own.severity is not Severity.ERROR)
