"""What has to be on the client before a resource may be sent (make before break)."""

from __future__ import annotations

from knet.envoy.session_client import Client
from knet.envoy.snapshot import CLUSTER, ENDPOINT, ROUTE, SCOPE, Ref, Resource, Snapshot


class Needs:
    """Reads what a client has.

    What the client never asked for on this stream is none of ours: it has it from elsewhere or asks
    when it knows the name. Only one that resumes may yet ask for its clusters: Envoy does
    so last while one is warming. Endpoints and secrets follow what names them.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._subscriptions = client.subscriptions
        self._known: dict[Ref, set[Ref]] = {}

    def look_anew(self) -> None:
        """What the client has may have changed: what was found out about RouteConfigurations is forgotten."""
        self._known.clear()

    def missing(self, snapshot: Snapshot, type_url: str, want: Resource) -> set[Ref]:
        """Everything that stands between `want` and the client, directly or through what it names."""
        found: set[Ref] = set()
        for ref in want.references or ():
            if ref[0] == CLUSTER:
                found |= self._cold(snapshot, ref)
            elif ref[0] == ROUTE and type_url == SCOPE:
                if ref not in self._known:  # ten scopes of a KIngress, one after the other, ask the same
                    self._known[ref] = self._undeliverable(snapshot, ref)
                found |= self._known[ref]
        return found

    def has(self, ref: Ref) -> bool:
        """Whether the client has acknowledged this and is not about to lose it."""
        sub = self._subscriptions.get(ref[0])
        return sub is not None and ref[1] in sub.held and not sub.departing(ref[1])

    def _cold(self, snapshot: Snapshot, cluster: Ref) -> set[Ref]:
        """The cluster if the client does not have it, and those of its endpoints that it lacks."""
        sub = self._subscriptions.get(CLUSTER)
        if sub is None:
            later = self._client.resumed or ENDPOINT in self._subscriptions
            return {cluster} if later else set()
        if not sub.wants(cluster[1]):
            return set()
        known = sub.held.get(cluster[1]) or sub.sent(cluster[1])
        if known is not None and known.references is None:  # of this one only the version is known
            known = snapshot.get(*cluster)
        endpoints = {ref for ref in known.references or () if ref[0] == ENDPOINT} if known else set()
        lacking = {ref for ref in endpoints if not self.has(ref)}
        if self.has(cluster):
            return lacking
        # a client that took the endpoints has the cluster, though it may not say so before others are warm
        taken = known is not None and endpoints and not lacking and not sub.departing(cluster[1])
        return set() if taken else {cluster, *lacking}

    def _undeliverable(self, snapshot: Snapshot, route: Ref) -> set[Ref]:
        """Empty if the client has this RouteConfiguration or would get it as soon as it asks."""
        if self.has(route):
            return set()
        want = snapshot.get(*route)
        if want is None or self._refused(route, want):
            return {route}
        missing = self.missing(snapshot, ROUTE, want)
        return missing | {route} if missing else missing

    def _refused(self, ref: Ref, want: Resource) -> bool:
        sub = self._subscriptions.get(ref[0])
        refusal = (sub.refused.get(ref[1]) if sub else None) or self._client.remembered.get(ref)
        return refusal is not None and refusal.version == want.version
