"""KIngress rules to rows: paths, header matches, splits, header edits, host rewrites, redirects."""

from __future__ import annotations

from collections.abc import Mapping

from knet.model.kingress import CLUSTER_LOCAL, HTTPIngressPath, IngressBackendSplit, IngressRule, KIngress
from knet.routing.table import Destination, Headers, Route, RouteMatch, Split, VirtualHost, Visibility

REDIRECTED = "Redirected"


def make_rows(ingress: KIngress) -> tuple[VirtualHost, ...]:
    """One row for each rule, in order, with the routes as written."""
    redirected = ingress.spec.http_option == REDIRECTED
    return tuple(_row(i, rule, redirected) for i, rule in enumerate(ingress.spec.rules))


def _row(index: int, rule: IngressRule, redirected: bool) -> VirtualHost:
    visibility = Visibility.INTERNAL if rule.visibility == CLUSTER_LOCAL else Visibility.EXTERNAL
    redirect = redirected and visibility is Visibility.EXTERNAL
    paths = rule.http.paths if rule.http else ()
    routes = tuple(_route(index, j, path, redirect) for j, path in enumerate(paths))
    return VirtualHost(rule.hosts, visibility, routes, index, bool(rule.visibility))


def _route(rule: int, index: int, path: HTTPIngressPath, redirect: bool) -> Route:
    lone = len(path.splits) == 1
    return Route(
        RouteMatch(path.path, tuple(sorted((n, m.exact) for n, m in path.headers.items()))),
        tuple(_split(s, lone) for s in path.splits),
        sorted_headers(path.append_headers),
        path.rewrite_host,
        rule,
        index,
        redirect,
    )


def _split(split: IngressBackendSplit, lone: bool) -> Split:
    where = Destination(split.service_namespace, split.service_name, split.service_port)
    implicit = lone and not split.percent
    return Split(where, 100 if implicit else split.percent, sorted_headers(split.append_headers), implicit)


def sorted_headers(headers: Mapping[str, str]) -> Headers:
    """Header edits by name, bytewise (code point order is UTF-8 byte order)."""
    return tuple(sorted(headers.items())) if len(headers) > 1 else tuple(headers.items())
