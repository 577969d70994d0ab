"""Hosts and routes of one KIngress that get in each other's way."""

from __future__ import annotations

from collections.abc import Iterator

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.order import routes_of
from knet.routing.passes.hosts import normal
from knet.routing.table import IngressTable, Route, RouteMatch, Visibility


def check_order(ingress: IngressTable) -> Iterator[Diagnostic]:
    """Rules without hosts, hosts written twice, and routes that an earlier one always takes."""
    yield from _hosts(ingress)
    yield from _shadowed(ingress)


def _hosts(ingress: IngressTable) -> Iterator[Diagnostic]:
    about = ObjectRef(KIND, *ingress.key)
    first: dict[tuple[Visibility, str], tuple[int, int]] = {}
    for row in ingress.rows:
        if not row.hosts:
            yield checks.NO_HOSTS(
                f"rule {row.rule} has no hosts: gateways serve every host or none by it",
                about=about,
                field=f"spec.rules[{row.rule}]",
                hint="name the hosts",
            )
        for j, host in enumerate(row.hosts):
            rule, index = first.setdefault((row.visibility, normal(host)), (row.rule, j))
            if (rule, index) == (row.rule, j):
                continue
            yield checks.REPEATED_HOST(
                f"host {host} stands in spec.rules[{rule}].hosts[{index}] already",
                about=about,
                field=f"spec.rules[{row.rule}].hosts[{j}]",
                hint="put all paths of a host in one rule" if rule != row.rule else "remove it here",
            )


def _shadowed(ingress: IngressTable) -> Iterator[Diagnostic]:
    """Routes that no request can reach.

    Longer paths are tried first, so only an equal path can be in the way: one that was written
    earlier and asks for no more headers (facts/translation.md part 1, kourier 3).
    """
    dead: dict[tuple[int, int], Route] = {}
    alive: set[tuple[int, int]] = set()
    hosts = {(row.visibility, normal(host)) for row in ingress.rows for host in row.hosts}
    for visibility, host in sorted(hosts):
        tried: dict[str, list[Route]] = {}
        for route in routes_of(ingress, visibility, host):
            if route.probe:
                continue
            before = tried.setdefault(route.match.path or "/", [])
            blocker = next((b for b in before if _covers(b.match, route.match)), None)
            where = (route.rule, route.path)
            if blocker is None:
                alive.add(where)
                before.append(route)
            elif (blocker.rule, blocker.path) != where:
                dead.setdefault(where, blocker)
    for (rule, path), blocker in sorted(dead.items()):
        if (rule, path) not in alive:
            yield checks.SHADOWED(
                f"spec.rules[{blocker.rule}].http.paths[{blocker.path}] takes every request first",
                about=ObjectRef(KIND, *ingress.key),
                field=f"spec.rules[{rule}].http.paths[{path}]",
                hint="put routes with more headers before plain ones, or remove this one",
            )


def _covers(earlier: RouteMatch, later: RouteMatch) -> bool:
    """Whether every request that `later` takes is taken by `earlier` (their paths are equal)."""
    wanted = {name.lower(): value for name, value in later.headers}
    return all(
        name.lower() in wanted and value in ("", wanted[name.lower()]) for name, value in earlier.headers
    )
