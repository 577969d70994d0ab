"""What Contour or its CRD refuses: one bad route makes the whole HTTPProxy invalid, and its host is not served.

From Contour's documentation of HTTPProxy (request routing, request rewriting, virtual hosts), the pattern
of `fqdn` in its CRD, and Envoy's rules for header names and values. Functions say in words what is
wrong, or "".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from knet.backends.contour.services import port_number
from knet.routing.table import Headers, Route, Split

_LABEL = r"[a-z0-9]++(?:-++[a-z0-9]++)*+"
_FQDN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*+")
_OBJECT_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+")
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
_BROKEN = re.compile(r"[\x00\r\n]")
_ODD_VALUE = re.compile(r"[%\x00\r\n]")
_MAX_PORT = 65535


def fqdn_problem(fqdn: str) -> str:
    """Why a host cannot be an HTTPProxy's fqdn."""
    if _FQDN.fullmatch(fqdn):
        return ""
    return f'"{fqdn}" is not a lower-case host name' if fqdn else "a host is empty"


def name_problem(name: str) -> str:
    """Why an object cannot have a name; net-contour makes it of the host, wildcards and all."""
    return "" if _OBJECT_NAME.fullmatch(name) else f'no object can be called "{name}"'


def route_problems(route: Route) -> Iterator[tuple[str, str]]:
    """(field below the path, what is wrong) of one route."""
    if route.match.path and not route.match.path.startswith("/"):
        yield "path", f'path "{route.match.path}" does not start with /'
    if route.match.headers and (why := _match_problem(route.match.headers)):
        yield "headers", why
    if (route.set_headers or route.host_rewrite) and (why := _route_headers(route)):
        yield "appendHeaders", why


def ordinary(split: Split) -> bool:
    """Whether nothing is to be said of a split, found out quickly."""
    port, headers = split.destination.port, split.set_headers
    if not isinstance(port, int) or not 0 < port <= _MAX_PORT or split.weight < 0:
        return False
    return not headers or (
        _ordinary_names(tuple([name for name, _ in headers]))
        and all([value for _, value in headers])  # noqa: C419 - faster
        and not _ODD_VALUE.search("".join([value for _, value in headers]))
    )


@lru_cache(maxsize=4096)
def _ordinary_names(names: tuple[str, ...]) -> bool:
    return not _edits_problem(tuple((name, "x") for name in names), host_allowed=False)


def split_problems(split: Split) -> Iterator[tuple[str, str]]:
    """(field below the split, what is wrong) of one split."""
    port = split.destination.port
    if not 0 < port_number(port) <= _MAX_PORT:
        named = isinstance(port, str)
        yield (
            "servicePort",
            f'port "{port}" is a name, and net-contour makes it 0' if named else f"port {port}",
        )
    if not split.weight >= 0:
        yield "percent", f"weight {split.weight} is negative"
    if split.set_headers and (why := _edits_problem(split.set_headers, host_allowed=False)):
        yield "appendHeaders", why


def _route_headers(route: Route) -> str:
    headers = route.set_headers
    if route.host_rewrite:
        headers = (*headers, ("Host", route.host_rewrite))
    return _edits_problem(headers, host_allowed=True)


def _match_problem(headers: Headers) -> str:
    valued = [name.lower() for name, value in headers if value]
    if len(set(valued)) < len(valued):
        return "a header is matched twice, in different case"
    if any(not name or _BROKEN.search(name + value) for name, value in headers):
        return "a header without name, or a line break"
    return ""


def _edits_problem(headers: Headers, *, host_allowed: bool) -> str:
    names = [name.lower() for name, _ in headers]
    if len(set(names)) < len(names):
        return "a header is set twice, in different case or by rewriteHost"
    if "host" in names and not host_allowed:
        return "Host can only be set for a whole path"
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            return f'"{name}" is not a header name (letters, digits and -)'
        if _BROKEN.search(value):
            return f"the value of {name} has a line break"
        if not value:
            return f"the value of {name} is empty"
    return ""
