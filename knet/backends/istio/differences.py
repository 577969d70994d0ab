"""Where Istio decides a request differently from `knet.routing.match`: said before anything is applied.

Istio tries routes as written, takes an authority by prefix, and an exact header match with "" literally
(facts/translation.md part 1, istio 3 to 6 and 9).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from knet import checks
from knet.backends.istio.settings import Settings
from knet.backends.istio.virtualservices import LOCAL_SUFFIX, authority_prefixes, port_number
from knet.errors import Check, Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.order import effective
from knet.routing.passes.hosts import routable
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Route, RoutingTable, Visibility

_PLAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)*[a-z-][a-z0-9-]{0,62}\Z")
"""A host that Istio serves as it is written."""

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


def differences(ingress: IngressTable, table: RoutingTable, settings: Settings) -> Iterator[Diagnostic]:
    """One finding for each thing of this KIngress that a request can notice."""
    about = ObjectRef(KIND, *ingress.key)
    seen: set[tuple[str, str]] = set()
    for check, said, where, hint in (
        *_hosts(ingress, settings),
        *_order(ingress),
        *_empty_headers(ingress),
        *_splits(ingress),
        *_tls(ingress, settings),
        *_neighbours(ingress, table),
    ):
        if (check.code, where) not in seen:
            seen.add((check.code, where))
            yield check(said, about=about, field=where, gateway="istio", hint=hint)


Finding = tuple[Check, str, str, str]


def _hosts(ingress: IngressTable, settings: Settings) -> Iterator[Finding]:
    if not any(settings.gateways.values()):
        yield (
            checks.ISTIO_UNSERVED,
            "no gateway is configured: only the mesh serves it",
            "spec.rules",
            "set external-gateways or local-gateways in config-istio",
        )
    for row in ingress.rows:
        where = f"spec.rules[{row.rule}].hosts"
        if not row.hosts:
            yield checks.ISTIO_UNSERVED, "a rule without hosts serves none", where, "name its hosts"
        for i, host in enumerate(row.hosts):
            if _PLAIN.match(host):
                continue
            place = f"{where}[{i}]"
            if "*" in host:
                said = f"{host} is taken literally, as a prefix of the authority"
                yield checks.ISTIO_UNSERVED, said, place, "name each host"
            elif not routable(host):
                said = f"{host} is not a name that Istio is given: its last label is a number or too long"
                yield checks.ISTIO_UNSERVED, said, place, "use a host whose last label is a word"
            elif host != host.lower():
                said = f"{host} has capitals, and Istio compares the authority as it is written"
                yield checks.ISTIO_UNSERVED, said, place, "write it in lower case"
            elif ":" in host:
                yield checks.ISTIO_UNSERVED, f"{host} has a port", place, "leave the port out"


def _order(ingress: IngressTable) -> Iterator[Finding]:
    """A host's routes as Istio tries them (rule by rule, as written), against the order they should have."""
    hosts = [host for row in ingress.rows for host in row.hosts]
    if len(set(hosts)) == len(hosts) and all(len(row.routes) <= 2 for row in ingress.rows):
        return
    for rows, host in _hosts_by_rows(ingress).items():
        written = [r for index in rows for r in ingress.rows[index].routes]
        if len(written) <= 2:  # one path and its probe copy
            continue
        for later, earlier in _overtaken(written):
            said = f"{_named(later)} should win over {_named(earlier)} for {host}, which Istio tries first"
            where = f"spec.rules[{later.rule}].http.paths[{later.path}]"
            yield checks.ISTIO_ORDER, said, where, "write longer paths before shorter ones"


def _empty_headers(ingress: IngressTable) -> Iterator[Finding]:
    for row in ingress.rows:
        for route in row.routes:
            if route.match.headers and any(not value for _, value in route.match.headers):
                said = 'a header match with "" asks for an empty value here, not for presence'
                where = f"spec.rules[{route.rule}].http.paths[{route.path}].headers"
                yield checks.ISTIO_EMPTY_HEADER, said, where, "name the value"


def _hosts_by_rows(ingress: IngressTable) -> dict[tuple[int, ...], str]:
    """The combinations of rows that hosts have, with one host of each."""
    rows: dict[str, tuple[int, ...]] = {}
    for index, row in enumerate(ingress.rows):
        for host in row.hosts:
            rows[host] = (*rows.get(host, ()), index)
    return {indices: host for host, indices in reversed(rows.items())}


def _overtaken(written: list[Route]) -> Iterator[tuple[Route, Route]]:
    """(route, the one that takes its requests) where the order they should have is another."""
    wanted = {id(route): i for i, route in enumerate(effective(written))}
    for i, later in enumerate(written):
        for earlier in written[:i]:
            if (
                wanted[id(later)] < wanted[id(earlier)]
                and _meet(earlier, later)
                and not _same_effect(earlier, later)
            ):
                yield later, earlier
                break


def _meet(a: Route, b: Route) -> bool:
    """Whether a request exists that both take."""
    one, two = a.match.path or "/", b.match.path or "/"
    if not (one.startswith(two) or two.startswith(one)):
        return False
    ours = {n.lower(): v for n, v in a.match.headers}
    return all(not v or not ours.get(n.lower(), v) or ours.get(n.lower(), v) == v for n, v in b.match.headers)


def _catches_all(route: Route) -> bool:
    return route.match.path in ("", "/") and not route.match.headers


def _same_effect(a: Route, b: Route) -> bool:
    return (a.splits, a.set_headers, a.host_rewrite, a.redirect) == (
        b.splits,
        b.set_headers,
        b.host_rewrite,
        b.redirect,
    )


def _named(route: Route) -> str:
    headers = "".join(f" {n}={v}" for n, v in route.match.headers if not route.probe)
    return f"path {route.match.path or '/'}{headers}"


def _splits(ingress: IngressTable) -> Iterator[Finding]:
    looked: set[int] = set()
    for row in ingress.rows:
        for route in row.routes:
            if id(route.splits) in looked:  # shared by most routes of a KIngress
                continue
            looked.add(id(route.splits))
            for i, split in enumerate(route.splits):
                port = split.destination.port
                if not port_number(port):
                    where = f"spec.rules[{route.rule}].http.paths[{route.path}].splits[{i}].servicePort"
                    said = f"port {port} is a name, and Istio is given port 0"
                    yield checks.ISTIO_NAMED_PORT, said, where, "write its number"


def _tls(ingress: IngressTable, settings: Settings) -> Iterator[Finding]:
    covered = {v: [(row, e) for row, e in select(ingress.rows, ingress.tls, v)] for v in Visibility}
    public = [row for row in ingress.rows if row.visibility is EXT]
    if covered[EXT] and public and not ingress.http_option:
        said = "httpOption is unset: with TLS, Istio is given no plain HTTP server at all"
        yield checks.ISTIO_TLS, said, "spec.httpOption", "set it to Enabled or Redirected"
    if ingress.http_option == "Redirected":
        for row in public:
            partly = next((r for r in row.routes if not r.probe and not r.redirect), None)
            if partly or not any(_catches_all(route) for route in row.routes):
                said = "Istio redirects plain http on every path, also where no route takes it"
                where = f"spec.rules[{row.rule}].http.paths"
                yield checks.ISTIO_TLS, said, where, "add a route for the other paths"
    if covered[INT] and not settings.cluster_local_tls:
        index = covered[INT][0][1].index
        said = "cluster-local TLS is off, so its hosts have no https here"
        hint = "set cluster-local-domain-tls: Enabled in config-network"
        yield checks.ISTIO_TLS, said, f"spec.tls[{index}]", hint


def _neighbours(ingress: IngressTable, table: RoutingTable) -> Iterator[Finding]:
    """Hosts that a shorter authority of the same VirtualService takes too, and hosts of others."""
    for row in ingress.rows:
        for i, host in enumerate(row.hosts):
            owner = table.owners.get((row.visibility, host.lower()))
            if owner is not None and owner != ingress.key:
                said = f"{host} is claimed by {'/'.join(owner)} too, and Istio serves either of them"
                where = f"spec.rules[{row.rule}].hosts[{i}]"
                yield checks.ISTIO_SHARED_HOST, said, where, "let one KIngress have the host"
    yield from _prefixed(ingress)


def _nested(ingress: IngressTable, prefixes: list[list[str]], visibility: Visibility) -> bool:
    """Whether any authority of one gateway covers another (mostly not, and then there is no more to do)."""
    pairs = zip(ingress.rows, prefixes, strict=True)
    every = [prefix for row, found in pairs if row.visibility is visibility for prefix in found]
    return len(authority_prefixes(every)) < len(every)


def _prefixed(ingress: IngressTable) -> Iterator[Finding]:
    """Hosts whose requests an earlier rule of the same gateway takes by its shorter authority."""
    prefixes = [authority_prefixes(row.hosts) for row in ingress.rows]
    if not any(_nested(ingress, prefixes, visibility) for visibility in Visibility):
        return
    for index, row in enumerate(ingress.rows):
        bare = [(host, host.removesuffix(LOCAL_SUFFIX)) for host in row.hosts]
        for other, theirs in zip(ingress.rows[:index], prefixes, strict=False):
            if other.visibility is not row.visibility:
                continue
            for prefix in theirs:
                caught = next((h for h, b in bare if b.startswith(prefix) and h not in other.hosts), None)
                if caught:
                    said = f"{caught} starts with {prefix}, whose rule takes its requests first"
                    where = f"spec.rules[{row.rule}].hosts"
                    yield checks.ISTIO_PREFIX, said, where, "write the rule with the longer host first"
