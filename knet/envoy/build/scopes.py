"""Scopes: which RouteConfiguration serves a host from outside (`ext`) or inside (`int`) the cluster."""

from __future__ import annotations

from functools import lru_cache

from envoy.config.route.v3 import scoped_route_pb2

from knet.envoy.build.wire import embed, tag, text

_Scope = scoped_route_pb2.ScopedRouteConfiguration
_NAME = tag(_Scope, "name")
_ROUTES = tag(_Scope, "route_configuration_name")
_KEY = tag(_Scope, "key")
_FRAGMENT = tag(_Scope.Key, "fragments")
_STRING = tag(_Scope.Key.Fragment, "string_key")


def scope_name(side: str, host: str) -> str:
    """What the scope of a host is called. It never changes, whoever owns the host (facts/envoy-xds.md, 4)."""
    return f"{side}|{host}"


def scope(side: str, host: str, route_configuration: str) -> bytes:
    """A ScopedRouteConfiguration for a lower-case host; `side` is "ext" or "int"."""
    key = _side(side) + embed(_FRAGMENT, text(_STRING, host))
    return text(_NAME, f"{side}|{host}") + text(_ROUTES, route_configuration) + embed(_KEY, key)


@lru_cache(maxsize=8)
def _side(side: str) -> bytes:
    return embed(_FRAGMENT, text(_STRING, side))
