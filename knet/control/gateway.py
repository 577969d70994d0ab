"""A live gateway: Worlds in, a published snapshot and readiness out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from knet.backends.api import Readiness
from knet.control.changes import changes
from knet.control.plane import Plane, Update
from knet.control.probe import Target
from knet.control.readiness import Confirmations
from knet.envoy.server import Server
from knet.envoy.snapshot import consistent
from knet.envoy.status import status
from knet.errors import Diagnostic
from knet.routing.table import IngressTable, Key, VirtualHost, Visibility
from knet.routing.world import World


class Gateway:
    """Owns the plane and the server of one gateway class. Belongs to one event loop.

    `addresses` are where the gateway listens for plain HTTP, by visibility: probes go there. Without
    one, acknowledgement is enough. `shared`: other replicas serve gateways too.
    """

    def __init__(
        self,
        plane: Plane,
        server: Server,
        addresses: Mapping[Visibility, tuple[str, int]],
        on_readiness: Callable[[Key, Readiness], None] | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self.plane = plane
        self.server = server
        self.confirmations = Confirmations(server.acked, on_readiness, shared=shared)
        self._addresses = dict(addresses)
        self._loaded = False

    def apply(self, world: World) -> tuple[Update, tuple[Diagnostic, ...]]:
        """Publishes a World at the cost of what differs from the last one. Gives all findings too."""
        differing = changes(self.plane.world, world)
        if self._loaded and not differing.settings:
            touched = self.plane.touching(differing.services, differing.secrets)
            update = self.plane.update(world, differing.ingresses | touched)
        else:
            update = self.plane.load(world)
            self._loaded = True
        self.server.publish(update.snapshot)
        found = (*update.diagnostics, *consistent(update.snapshot))
        self._follow(update, found)
        return update, found

    def _follow(self, update: Update, found: tuple[Diagnostic, ...]) -> None:
        for key in update.rendered | update.kept:
            ingress = self.plane.table.ingresses.get(key)
            wanted = self.plane.wanted(key)
            if ingress is None:
                self.confirmations.forget(key)
            elif key in update.kept or not wanted:
                self.confirmations.fail(key, _why(key, found))
            else:
                self.confirmations.watch(key, wanted, self._target(ingress))

    def _target(self, ingress: IngressTable) -> Target | None:
        """The first host that this KIngress owns and plain HTTP reaches, the outer gateway first."""
        for visibility in (Visibility.EXTERNAL, Visibility.INTERNAL):
            address = self._addresses.get(visibility)
            for row in ingress.rows:
                for host in row.hosts if row.visibility is visibility and address else ():
                    if self.plane.table.owners.get((visibility, host.lower())) == ingress.key and address:
                        return Target(address, host, ingress.hash, probed_path(row))
        return None

    def status(self) -> dict[str, Any]:
        """What is published, what each gateway acknowledged, and the state of every KIngress."""
        made = status(self.server.streams, self.server.snapshot)
        made["ingresses"] = [
            {"namespace": key[0], "name": key[1], "state": str(state.state), "reason": state.reason}
            for key, state in sorted(self.confirmations.states.items())
        ]
        return made

    async def close(self) -> None:
        """Ends watching and serving. Gateways keep what they have."""
        await self.confirmations.close()
        await self.server.stop()


def probed_path(row: VirtualHost) -> str:
    """Knative's /healthz where some path takes it; else a path that is there, for all others are 404."""
    paths = [r.match.path for r in row.routes if r.probe and len(r.match.headers) == 1]
    taken = not paths or any("/healthz".startswith(p.rstrip("/")) for p in paths)
    return "/healthz" if taken else paths[0]


def _why(key: Key, found: tuple[Diagnostic, ...]) -> str:
    about = [d for d in found if d.about and (d.about.namespace, d.about.name) == key]
    return about[0].message if about else "it serves no host"
