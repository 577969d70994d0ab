"""Routes that Contour refuses, reads otherwise, or tries in another order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from knet import checks
from knet.backends.contour import legal, order
from knet.backends.contour.arbitration import Places
from knet.backends.contour.placement import routes_of
from knet.backends.contour.telling import tell
from knet.errors import Diagnostic
from knet.model.kingress import HASH_HEADER
from knet.routing.table import Headers, IngressTable, Route, Split, VirtualHost

_VARIABLE = re.compile(
    r"%(?:CONTOUR_(?:NAMESPACE|SERVICE_NAME|SERVICE_PORT)|DOWNSTREAM_[A-Z0-9_]+|HOSTNAME|PROTOCOL"
    r"|UPSTREAM_REMOTE_ADDRESS|RESPONSE_FLAGS|RESPONSE_CODE_DETAILS|REQ\([\w-]+\))%"
)
_ODD_SEGMENT = re.compile(r"//|/\.\.?(?:/|\Z)")
_NOT_SERVED = "until that is mended, no host of the rule is served"


def route_differences(ingress: IngressTable) -> Iterator[Diagnostic]:
    """What is to be said of single routes. Splits that the passes share are looked at once."""
    seen: set[int] = set()
    for row in ingress.rows:
        for route in row.routes:
            if route.probe:  # repeats its original
                continue
            match = route.match
            if match.path or match.headers or route.set_headers or route.host_rewrite:
                yield from _route(ingress, route)
            if id(route.splits) not in seen:
                seen.add(id(route.splits))
                yield from _splits(ingress, route)


def order_differences(ingress: IngressTable, places: Places) -> Iterator[Diagnostic]:
    """Routes of a host that take requests which others should have had."""
    done: set[tuple[int, ...]] = set()
    for rows in places.values():
        if len(rows) == 1 and len(rows[0].routes) <= 2 and not _asks_for_hash(rows[0]):
            continue
        key = tuple([row.rule for row in rows])
        if key not in done:
            done.add(key)
            yield from _order(ingress, rows)


def _asks_for_hash(row: VirtualHost) -> bool:
    """Whether a lone route has headers that its probe copy may not outdo."""
    return any(not value or name == HASH_HEADER for r in row.routes[1:] for name, value in r.match.headers)


def _at(route: Route) -> str:
    return f"spec.rules[{route.rule}].http.paths[{route.path}]"


def _route(ingress: IngressTable, route: Route) -> Iterator[Diagnostic]:
    at = _at(route)
    for field, why in legal.route_problems(route):
        yield tell(ingress, checks.REFUSED_PROXY, why, f"{at}.{field}", _NOT_SERVED)
    path = route.match.path
    if _ODD_SEGMENT.search(path):
        why = f'path "{path}" is read as "{order.prefix_of(path)}", and the paths of requests are made normal'
        yield tell(ingress, checks.OTHER_MEANING, why, f"{at}.path", "write a normal path")
    yield from _values(ingress, route.set_headers, at)


def _splits(ingress: IngressTable, route: Route) -> Iterator[Diagnostic]:
    if not route.splits:
        why = "a route without splits has no service"
        yield tell(ingress, checks.REFUSED_PROXY, why, f"{_at(route)}.splits", _NOT_SERVED)
    for k, split in enumerate(route.splits):
        if not legal.ordinary(split):
            yield from _split(ingress, split, f"{_at(route)}.splits[{k}]")
    if len(route.splits) > 1 and not any(s.weight for s in route.splits):
        why = "all weights are 0, and Contour then shares traffic evenly"
        yield tell(ingress, checks.EVEN_SHARES, why, f"{_at(route)}.splits", "give one split 100 percent")


def _split(ingress: IngressTable, split: Split, at: str) -> Iterator[Diagnostic]:
    for field, why in legal.split_problems(split):
        yield tell(ingress, checks.REFUSED_PROXY, why, f"{at}.{field}", _NOT_SERVED)
    yield from _values(ingress, split.set_headers, at)


def _values(ingress: IngressTable, headers: Headers, at: str) -> Iterator[Diagnostic]:
    for name, value in headers:
        if "%" in value and (found := _VARIABLE.search(value)):
            yield tell(
                ingress,
                checks.OTHER_MEANING,
                f"{found[0]} in the value of {name} is a variable to Contour",
                f"{at}.appendHeaders[{name}]",
                "use a value without it",
            )


def _order(ingress: IngressTable, rows: tuple[VirtualHost, ...]) -> Iterator[Diagnostic]:
    for found in order.disagreements(routes_of(rows)):
        ignored = [n for n, v in found.contour.match.headers if not v]
        if ignored:
            why = f"Contour takes no notice of header {', '.join(ignored)}, which has no value"
            yield tell(ingress, checks.OTHER_MEANING, why, f"{_at(found.contour)}.headers", "name the value")
            continue
        other = _at(found.middle) if found.middle else "no route"
        yield tell(
            ingress,
            checks.ROUTE_ORDER,
            f"Contour sends requests here that {other}, written earlier, takes elsewhere",
            _at(found.contour),
            "write the routes of a path with most headers first, and none twice",
        )
