"""Small Envoy resources, and a client that treats them as Envoy does (facts/envoy-xds.md, section 4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2

from knet.envoy.session_messages import Request, Response
from knet.envoy.snapshot import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPE, SECRET, Resource, resource

BAD = "bad"


def cluster(name: str, mark: str = "") -> bytes:
    """An EDS cluster; `mark` makes it another version of itself, `BAD` one that Envoy refuses."""
    made = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS, alt_stat_name=mark)
    made.eds_cluster_config.eds_config.ads.SetInParent()
    return made.SerializeToString()


def endpoints(name: str, mark: str = "") -> bytes:
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    made.endpoints.add().locality.zone = mark
    return made.SerializeToString()


def route(name: str, clusters: Iterable[str], mark: str = "") -> bytes:
    made = route_pb2.RouteConfiguration(name=name)
    host = made.virtual_hosts.add(name=mark or "host", domains=["*"])
    action = host.routes.add().route
    for target in clusters:
        action.weighted_clusters.clusters.add(name=target).weight.value = 1
    return made.SerializeToString()


def scope(name: str, to: str) -> bytes:
    made = scoped_route_pb2.ScopedRouteConfiguration(name=name, route_configuration_name=to)
    made.key.fragments.add(string_key=name)
    return made.SerializeToString()


def warming_scope(to: str) -> Resource:
    return resource(SCOPE, f"warming|{to}", scope(f"warming|{to}", to))


def refused(type_url: str, body: bytes) -> bool:
    """Whether the client refuses this resource."""
    if type_url == CLUSTER:
        return cluster_pb2.Cluster.FromString(body).alt_stat_name == BAD
    if type_url == ENDPOINT:
        return endpoint_pb2.ClusterLoadAssignment.FromString(body).endpoints[0].locality.zone == BAD
    if type_url == ROUTE:
        return route_pb2.RouteConfiguration.FromString(body).virtual_hosts[0].name == BAD
    return False


class ModelEnvoy:
    """What Envoy holds, and what it says to the control plane.

    `outbox` are requests not yet sent. `violations` are the moments in which a request would have
    failed: a route to a cluster that is not there or never got endpoints, a scope switched to a
    RouteConfiguration that is not loaded.
    """

    WILDCARDS = (CLUSTER, LISTENER, SCOPE)

    def __init__(self, *, acks_first: bool = True) -> None:
        self.acks_first = acks_first
        self.held: dict[str, dict[str, Resource]] = {
            u: {} for u in (CLUSTER, ENDPOINT, LISTENER, SCOPE, ROUTE, SECRET)
        }
        self.names: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.warming: set[str] = set()
        self.outbox: deque[Request] = deque()
        self.paused: deque[Request] = deque()
        self.violations: list[str] = []

    def connect(self) -> None:
        """The first requests of a stream, with what is left from an earlier one."""
        self.outbox.clear()
        self.paused = deque([self._first(CLUSTER)])
        self._resume()
        for url in (ENDPOINT, LISTENER, SCOPE, ROUTE):
            if url in self.WILDCARDS or self.names[url]:
                self.outbox.append(self._first(url))

    def _first(self, url: str) -> Request:
        have = {name: found.version for name, found in self.held[url].items()}
        return Request(url, subscribe=tuple(sorted(self.names.get(url, ()))), initial_versions=have)

    def _resume(self) -> None:
        """While a cluster is warming, Envoy says nothing about clusters (seen with 1.40)."""
        while self.paused and not self.warming:
            self.outbox.append(self.paused.popleft())

    def give_up(self, names: set[str]) -> bool:
        """`initial_fetch_timeout` ends the wait for some clusters' endpoints. Says if that frees requests."""
        self.warming -= names
        before = len(self.outbox)
        self._resume()
        return len(self.outbox) > before

    def take(self, response: Response) -> None:
        """Applies a response as far as Envoy would, and answers it."""
        url = response.type_url
        bad = [found.name for found in response.resources if refused(url, found.body)]
        taken = response.resources if not bad else ()
        if bad and url == ENDPOINT:
            taken = tuple(found for found in response.resources if found.name not in bad)
            self.warming.difference_update(bad)  # a refusal ends the wait too
        gone = response.removed if not bad else ()
        before = len(self.outbox)
        self._apply(url, taken, gone)
        answer = Request(url, nonce=response.nonce, error=f"refused: {', '.join(bad)}" if bad else None)
        if url == CLUSTER:
            self.paused.append(answer)
        elif self.acks_first:
            self.outbox.insert(before, answer)
        else:
            self.outbox.append(answer)
        self._resume()
        self._check()

    def _apply(self, url: str, taken: Iterable[Resource], gone: Iterable[str]) -> None:
        if url in self.names:
            assert not list(gone), "Envoy never wants to hear that these are gone"
            taken = [found for found in taken if found.name in self.names[url]]
        for found in taken:
            old = self.held[url].get(found.name)
            if url == SCOPE and old is not None and self._routes(old) != self._routes(found):
                self._expect_loaded(found)
            if url == CLUSTER and (old is None or old.body != found.body):
                self.warming.add(found.name)
            if url == ENDPOINT:
                self.warming.discard(found.name)
            self.held[url][found.name] = found
        for name in gone:
            self.held[url].pop(name, None)
            self.warming.discard(name)
        if url == CLUSTER:
            self._interested(ENDPOINT, set(self.held[CLUSTER]))
        if url == SCOPE:
            self._interested(ROUTE, {r for found in self.held[SCOPE].values() for r in self._routes(found)})

    @staticmethod
    def _routes(found: Resource) -> list[str]:
        return [name for _, name in found.references or ()]

    def _expect_loaded(self, found: Resource) -> None:
        for name in self._routes(found):
            if name not in self.held[ROUTE]:
                self.violations.append(f"{found.name} was switched to {name}, which is not loaded")

    def _interested(self, url: str, wanted: set[str]) -> None:
        added, dropped = wanted - self.names[url], self.names[url] - wanted
        self.names[url] = wanted
        for name in dropped:
            self.held[url].pop(name, None)
        if added or dropped:
            request = Request(url, subscribe=tuple(sorted(added)), unsubscribe=tuple(sorted(dropped)))
            self.outbox.append(request)

    def _check(self) -> None:
        for name, found in self.held[ROUTE].items():
            for _, target in found.references or ():
                if target not in self.held[CLUSTER]:
                    self.violations.append(f"{name} names {target}, which is not there")
                elif target not in self.held[ENDPOINT]:
                    self.violations.append(f"{name} names {target}, which has no endpoints yet")

    def bodies(self) -> Mapping[str, Mapping[str, bytes]]:
        """All that is held, by type and name."""
        return {url: {n: r.body for n, r in held.items()} for url, held in self.held.items()}
