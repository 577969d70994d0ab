"""The resource types that are served, by the sections that backends sort them into."""

from __future__ import annotations

_PREFIX = "type.googleapis.com/envoy."

CLUSTER = _PREFIX + "config.cluster.v3.Cluster"
ENDPOINT = _PREFIX + "config.endpoint.v3.ClusterLoadAssignment"
LISTENER = _PREFIX + "config.listener.v3.Listener"
SCOPE = _PREFIX + "config.route.v3.ScopedRouteConfiguration"
ROUTE = _PREFIX + "config.route.v3.RouteConfiguration"
SECRET = _PREFIX + "extensions.transport_sockets.tls.v3.Secret"

SECTIONS = {
    "clusters": CLUSTER,
    "endpoints": ENDPOINT,
    "listeners": LISTENER,
    "scopedRoutes": SCOPE,
    "routes": ROUTE,
    "secrets": SECRET,
}
"""`Rendered.resources` section → type URL, in the order in which Envoy is warmed."""

Ref = tuple[str, str]
"""(type URL, name) of a resource."""

_NAMES = {url: name for name, url in SECTIONS.items()}


def section(type_url: str) -> str:
    """A type's section, for people; the URL itself for a type that is not served."""
    return _NAMES.get(type_url, type_url)
