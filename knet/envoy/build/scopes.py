"""Scopes: which RouteConfiguration serves a host from outside (`ext`) or inside (`int`) the cluster.

A scope is called `side|host`, whoever owns the host: a new owner is an update of the same scope, which
loses no request (facts/envoy-xds.md, 4).
"""

from __future__ import annotations

from envoy.config.route.v3 import scoped_route_pb2

from knet.envoy.build.wire import embed, tag, text

_Scope = scoped_route_pb2.ScopedRouteConfiguration
_NAME = tag(_Scope, "name")
_ROUTES = tag(_Scope, "route_configuration_name")
_KEY = tag(_Scope, "key")
_FRAGMENT = tag(_Scope.Key, "fragments")
_STRING = tag(_Scope.Key.Fragment, "string_key")


class Scopes:
    """Makes the ScopedRouteConfigurations that lead to one RouteConfiguration."""

    __slots__ = ("_routes",)

    def __init__(self, route_configuration: str) -> None:
        self._routes = text(_ROUTES, route_configuration)

    def of(self, side: str, host: str) -> tuple[str, bytes]:
        """The scope of a lower-case host, with its name; `side` is "ext" or "int"."""
        name = f"{side}|{host}"
        key = embed(_SIDES[side], text(_STRING, host))
        return name, text(_NAME, name) + self._routes + embed(_KEY, key)


_SIDES = {side: embed(_FRAGMENT, text(_STRING, side)) + _FRAGMENT for side in ("ext", "int")}
"""The first fragment, and the tag of the second."""
