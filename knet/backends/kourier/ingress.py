"""One KIngress to its scopes and RouteConfigurations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from knet import checks
from knet.backends.kourier.legal import header_problem, host_problem, host_value_problem, match_problem
from knet.backends.kourier.upstreams import Cluster, Clusters, is_http1
from knet.backends.kourier.vhosts import VirtualHosts
from knet.envoy.build.routes import route_configuration
from knet.envoy.build.scopes import Scopes
from knet.errors import Check, Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Key, Route, RoutingTable, Visibility

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


@dataclass(slots=True)
class Made:
    """What one KIngress makes. `refused`: a finding that leaves all of it out."""

    scopes: dict[str, bytes] = field(default_factory=dict)
    routes: dict[str, bytes] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    secrets: tuple[Key, ...] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)
    refused: bool = False


class _Configuration:
    """A RouteConfiguration in the making: the hosts that each list of rules serves."""

    __slots__ = ("hosts", "name", "scopes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.scopes = Scopes(name)
        self.hosts: dict[tuple[int, ...], list[str]] = {}

    def add(self, rules: tuple[int, ...], host: str) -> None:
        self.hosts.setdefault(rules, []).append(host)


class Translator:
    """Translates the KIngresses of one table; what they share is made once."""

    def __init__(self, table: RoutingTable, clusters: Clusters, hosts: VirtualHosts) -> None:
        self._table = table
        self._clusters = clusters
        self._hosts = hosts

    def translate(self, ingress: IngressTable) -> Made:
        """The resources of a KIngress, for the hosts that it owns."""
        made = Made()
        self._check_splits(ingress, made)
        self._check_secrets(ingress, made)
        if not made.refused:
            self._serve(ingress, made)
        return made

    def _serve(self, ingress: IngressTable, made: Made) -> None:
        """Scopes for every owned host, and virtual hosts for hosts with the same routes.

        A host that is in rules of both visibilities means something else inside: its inner virtual
        host is in a RouteConfiguration of its own.
        """
        key, contested, rows = ingress.key, self._table.contested, ingress.rows
        alone = (key,)
        name = f"rc/{key[0]}/{key[1]}"
        common = _Configuration(name)
        inner = _Configuration(name + "/int")
        for host, rules in self._served(ingress, made).items():
            outer = tuple([i for i in rules if rows[i].visibility is EXT])
            # what a KIngress claims is its own unless it is contested: cheaper to ask than who owns it
            outside = bool(outer) and (not contested or contested.get((EXT, host), alone)[0] == key)
            if outside:
                scope, body = common.scopes.of("ext", host)
                made.scopes[scope] = body
                common.add(outer, host)
            if not contested or contested.get((INT, host), alone)[0] == key:
                into = inner if outer and outer != rules else common
                scope, body = into.scopes.of("int", host)
                made.scopes[scope] = body
                if not outside or into is inner:
                    into.add(rules, host)
        for config in (common, inner):
            if config.hosts:
                groups = [([rows[i] for i in rules], hosts) for rules, hosts in config.hosts.items()]
                made.routes[config.name] = route_configuration(
                    config.name, self._hosts.virtual_hosts(ingress, groups)
                )

    def _served(self, ingress: IngressTable, made: Made) -> dict[str, tuple[int, ...]]:
        """Every host that can be served (lower case), with the rules that it is in."""
        found: dict[str, tuple[int, ...]] = {}
        for index, row in enumerate(ingress.rows):
            rule = (index,)
            if not row.hosts:
                _tell(
                    made,
                    ingress,
                    checks.BAD_HOST,
                    "a rule without hosts serves none here",
                    f"spec.rules[{row.rule}]",
                )
            for i, host in enumerate(row.hosts):
                if problem := host_problem(host):
                    _tell(made, ingress, checks.BAD_HOST, problem, f"spec.rules[{row.rule}].hosts[{i}]")
                    continue
                name = host.lower()
                rules = found.get(name)
                if rules is None:
                    found[name] = rule
                elif rules[-1] != index:
                    found[name] = (*rules, index)
        return found

    def _check_splits(self, ingress: IngressTable, made: Made) -> None:
        """Finds the clusters of all splits; one without endpoints leaves the KIngress out, as upstream."""
        seen: set[tuple[int, int, int, str]] = set()
        for row in ingress.rows:
            for route in row.routes:
                # rows share equal parts (`routing.passes.rows`), and probe copies have those of their originals
                parts = (id(route.splits), id(route.match), id(route.set_headers), route.host_rewrite)
                if route.probe or parts in seen:
                    continue
                seen.add(parts)
                where = f"spec.rules[{row.rule}].http.paths[{route.path}]"
                self._find_clusters(ingress, made, route, where)
                for problem, check, place in _route_problems(route):
                    _tell(made, ingress, check, problem, where + place, fatal=True)

    def _find_clusters(self, ingress: IngressTable, made: Made, route: Route, where: str) -> None:
        plain, http1 = bool(route.host_rewrite), is_http1(ingress.origin.annotations)
        for i, split in enumerate(route.splits):
            cluster = self._clusters.find(split.destination, plain=plain, http1=http1)
            made.clusters[cluster.name] = cluster
            if cluster.problem:
                _tell(made, ingress, *cluster.problem, f"{where}.splits[{i}]", fatal=True)
            if cluster.warning:
                _tell(made, ingress, *cluster.warning, f"{where}.splits[{i}]")

    def _check_secrets(self, ingress: IngressTable, made: Made) -> None:
        """Missing or unusable Secrets of TLS entries that serve a rule leave the KIngress out."""
        if not ingress.tls:
            return
        used = {e.index: e for side in (EXT, INT) for _, e in select(ingress.rows, ingress.tls, side)}
        for index, entry in sorted(used.items()):
            secret = f"Secret {'/'.join(entry.secret)}"
            held = self._table.certificates.get(entry.secret)
            where = f"spec.tls[{index}].secretName"
            if held is None:
                _tell(made, ingress, checks.MISSING_SECRET, f"{secret} does not exist", where, fatal=True)
            elif held.problem:
                _tell(made, ingress, checks.BAD_SECRET, f"{secret}: {held.problem}", where, fatal=True)
        made.secrets = tuple(dict.fromkeys(e.secret for _, e in sorted(used.items())))


def _route_problems(route: Route) -> Iterator[tuple[str, Check, str]]:
    """What Envoy would refuse of a route: (words, check, place below the path)."""
    weights = [s.weight for s in route.splits]
    if any(w < 0 for w in weights) or not 0 < sum(weights) < 2**32:
        yield (
            "no split takes traffic" if sum(weights) == 0 else "percents are out of range",
            checks.NO_WEIGHT,
            ".splits",
        )
    for name, _ in route.match.headers:
        if problem := match_problem(name):
            yield problem, checks.REFUSED_BY_ENVOY, ".headers"
    for edits, place in (
        (route.set_headers, ".appendHeaders"),
        *((s.set_headers, ".splits") for s in route.splits),
    ):
        for name, value in edits:
            if problem := header_problem(name, value):
                yield problem, checks.REFUSED_BY_ENVOY, place
    if route.host_rewrite and (problem := host_value_problem(route.host_rewrite)):
        yield problem, checks.REFUSED_BY_ENVOY, ".rewriteHost"


def _tell(
    made: Made, ingress: IngressTable, check: Check, said: str, where: str, *, fatal: bool = False
) -> None:
    hint = "the KIngress is left out until this is mended" if fatal else ""
    about = ObjectRef(KIND, *ingress.key)
    if not any(d.message == said for d in made.diagnostics):
        made.diagnostics.append(check(said, about=about, field=where, gateway="kourier", hint=hint))
    made.refused = made.refused or fatal
