"""kourier: Envoy by xDS, with net-kourier's routing decisions and a layout of our own (design, section 5).

Importing this module is cheap; protobuf is loaded when something is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knet.backends.api import Capabilities, Readiness, Rendered
from knet.errors import Diagnostic
from knet.routing.build import in_bulk
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World

if TYPE_CHECKING:
    from knet.backends.decided import Decided
    from knet.backends.kourier.settings import Settings
    from knet.routing.match import Request


class Kourier:
    """The backend (see `knet.backends.api.Backend`)."""

    name = "kourier"
    ingress_class = "kourier.ingress.networking.knative.dev"
    capabilities = Capabilities(wildcard_hosts=False)

    def settings(self, world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
        """Settings out of config-kourier, config-network and the Secrets they name."""
        from knet.backends.kourier.settings import read

        return read(world)

    def render(
        self, table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None
    ) -> Rendered:
        """Envoy resources. With `changed`: the gateway's own, and what these KIngresses use."""
        with in_bulk(
            len(table.ingresses if changed is None else changed)
        ):  # the import too: it makes many objects
            from knet.backends.kourier.render import render

            return render(table, settings, changed)

    def ready(self, rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
        """A KIngress is ready when every connected gateway has acknowledged just what it uses."""
        from knet.backends.kourier.ready import ready

        return ready(rendered, observed)

    def decide(self, rendered: Rendered, settings: Settings, request: Request) -> Decided:  # noqa: ARG002
        """What Envoy does with a request, given these resources."""
        from knet.backends.kourier.decide import decide

        return decide(self.documents(rendered), request)

    def documents(self, rendered: Rendered) -> dict[str, list[dict[str, Any]]]:
        """The sections as lists of protojson resources, sorted by name; hashes stand for secrets."""
        from knet.backends.kourier.documents import documents

        return documents(rendered)


backend = Kourier()
