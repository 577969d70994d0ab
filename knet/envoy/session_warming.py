"""Hands a host from one RouteConfiguration to another without a gap.

A client asks for a RouteConfiguration only when a scope names it, so a scope that is switched to one
that nobody names yet answers 404 until it has arrived (facts/envoy-xds.md, section 4). Therefore a
scope that no request can match names it first; the real one is switched when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable

from knet.envoy.snapshot import Ref, Resource

_PREFIX = "warming|"


def temporary_scope(route: str) -> str:
    """The name of the scope that warms a RouteConfiguration."""
    return _PREFIX + route


class Warming:
    """The temporary scopes of one session. `make` builds one from the RouteConfiguration's name.

    Also knows which scopes of the client name a RouteConfiguration: one of them may be its anchor.
    """

    __slots__ = ("_holders", "_make", "_routes", "_users")

    def __init__(self, make: Callable[[str], Resource] | None) -> None:
        self._make = make
        self._routes: dict[str, str] = {}
        self._users: dict[str, set[str]] = {}
        self._holders: dict[Ref, set[str]] = {}

    @property
    def possible(self) -> bool:
        return self._make is not None

    def hold(self, scope: str, old: Resource | None, new: Resource | None) -> None:
        """The client now has `new` instead of `old`."""
        for ref in old.references or () if old else ():
            left = self._holders.get(ref, set())
            left.discard(scope)
            if not left:
                self._holders.pop(ref, None)
        for ref in new.references or () if new else ():
            self._holders.setdefault(ref, set()).add(scope)

    def holders(self, route: Ref) -> frozenset[str]:
        """The scopes on the client that name a RouteConfiguration."""
        return frozenset(self._holders.get(route, ()))

    def start(self, scope: str, route: str) -> list[str]:
        """`scope` waits for `route`. Gives the temporary scopes that have to be looked at."""
        if self._routes.get(scope) == route:
            return []
        changed = self.done(scope)
        self._routes[scope] = route
        self._users.setdefault(route, set()).add(scope)
        return [*changed, temporary_scope(route)]

    def done(self, scope: str) -> list[str]:
        """`scope` waits no longer. Gives the temporary scopes that have to be looked at."""
        route = self._routes.pop(scope, None)
        if route is None:
            return []
        self._users[route].discard(scope)
        if self._users[route]:
            return []
        del self._users[route]
        return [temporary_scope(route)]

    def get(self, name: str) -> Resource | None:
        """The temporary scope of that name, while it is needed."""
        route = name.removeprefix(_PREFIX)
        if self._make is None or route == name or route not in self._users:
            return None
        return self._make(route)
