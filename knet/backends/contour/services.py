"""The services of a route: weights, header edits, and how they are reached.

facts/translation.md part 1, contour 6, 8; part 2, Contour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.backends.contour.settings import CA_SECRET, Settings
from knet.routing.passes.upstreams import IMPLIED_PORTS
from knet.routing.table import Destination, Headers, Key, Route, Split, Upstream

H2C_PORT = "http2"
ORIGINAL_HOST = "K-Original-Host"
EDITS = 256
"""So many header edits are remembered: those that repeat are few."""
CHALLENGE = "/.well-known/acme-challenge"


def header_values(headers: Headers) -> list[dict[str, str]]:
    """Header edits as HTTPProxies have them."""
    return [{"name": name, "value": value} for name, value in headers]


def port_number(port: int | str) -> int:
    """A servicePort as net-contour reads it: text that is no number is 0, and never looked up.

    facts/translation.md part 2, Shared 7.
    """
    if isinstance(port, int):
        return port
    digits = port[1:] if port[:1] in ("-", "+") else port
    return int(port) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else 0


class Services:
    """Makes the `services` of routes; those of equal splits are made once."""

    def __init__(self, upstreams: Mapping[Key, Upstream], settings: Settings) -> None:
        self._upstreams = upstreams
        self._internal_tls = settings.internal_tls
        self._edits: dict[tuple[str, str], dict[str, str]] = {}

    def of(self, route: Route, namespace: str) -> list[dict[str, Any]]:
        """Every split of a route, whatever its weight."""
        challenge = CHALLENGE in route.match.path
        return [
            self._service(split, bool(route.host_rewrite), challenge, namespace) for split in route.splits
        ]

    def _service(self, split: Split, rewritten: bool, challenge: bool, namespace: str) -> dict[str, Any]:
        where = split.destination
        made: dict[str, Any] = {"name": where.service, "port": port_number(where.port)}
        if split.weight and not split.implicit:
            made["weight"] = split.weight
        if not challenge:
            self._reach(made, split, rewritten, namespace)
        if split.set_headers:
            made["requestHeadersPolicy"] = {"set": [self._edit(*edit) for edit in split.set_headers]}
        return made

    def _edit(self, name: str, value: str) -> dict[str, str]:
        """One header edit; half of them name the namespace, and are equal for all its splits."""
        found = self._edits.get((name, value))
        if found is None:
            if len(self._edits) >= EDITS:
                self._edits.clear()
            found = self._edits[name, value] = {"name": name, "value": value}
        return found

    def _reach(self, made: dict[str, Any], split: Split, rewritten: bool, namespace: str) -> None:
        names = _port_names(self._upstreams[namespace, split.destination.service], split.destination)
        if not self._internal_tls:
            if H2C_PORT in names:
                made["protocol"] = "h2c"
            return
        if rewritten and any(name == ORIGINAL_HOST for name, _ in split.set_headers):
            made["protocol"] = "h2c"
        elif names:
            made["protocol"] = "h2" if names[0] == H2C_PORT else "tls"
        user = f"kn-user-{namespace}"
        made["validation"] = {
            "caSecret": CA_SECRET,
            "subjectName": user,
            "subjectNames": [user, "kn-routing"],
        }


def _port_names(upstream: Upstream, where: Destination) -> list[str]:
    """The names of a Service's ports. Of one that is still to be made, only the port in use is known."""
    ports: Iterable[Any] = upstream.ports
    if ports == IMPLIED_PORTS:
        used = upstream.port(port_number(where.port) or where.port)
        ports = (used,) if used else ()
    return [port.name for port in ports]
