"""Hands a host from one RouteConfiguration to another without a gap.

A client asks for a RouteConfiguration only when a scope names it, so a scope that is switched to one
that nobody names yet answers 404 until it has arrived (facts/envoy-xds.md, section 4). Therefore a
scope that no request can match names it first; the real one is switched when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable

from knet.envoy.snapshot import Resource

_PREFIX = "warming|"


class Warming:
    """The temporary scopes of one session. `make` builds one from the RouteConfiguration's name."""

    __slots__ = ("_make", "_routes", "_users")

    def __init__(self, make: Callable[[str], Resource] | None) -> None:
        self._make = make
        self._routes: dict[str, str] = {}
        self._users: dict[str, set[str]] = {}

    @property
    def possible(self) -> bool:
        return self._make is not None

    def start(self, scope: str, route: str) -> list[str]:
        """`scope` waits for `route`. Gives the temporary scopes that have to be looked at."""
        if self._routes.get(scope) == route:
            return []
        changed = self.done(scope)
        self._routes[scope] = route
        self._users.setdefault(route, set()).add(scope)
        return [*changed, _PREFIX + route]

    def done(self, scope: str) -> list[str]:
        """`scope` waits no longer. Gives the temporary scopes that have to be looked at."""
        route = self._routes.pop(scope, None)
        if route is None:
            return []
        self._users[route].discard(scope)
        if self._users[route]:
            return []
        del self._users[route]
        return [_PREFIX + route]

    def get(self, name: str) -> Resource | None:
        """The temporary scope of that name, while it is needed."""
        route = name.removeprefix(_PREFIX)
        if self._make is None or route == name or route not in self._users:
            return None
        return self._make(route)
