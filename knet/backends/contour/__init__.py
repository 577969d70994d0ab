"""contour: HTTPProxies as net-contour makes them (facts/translation.md, contour; golden).

Importing this module is cheap; the renderer is loaded when something is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knet.backends.api import Capabilities, Readiness, Rendered
from knet.errors import Diagnostic
from knet.routing.match import Request
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World

if TYPE_CHECKING:
    from knet.backends.contour.settings import Settings
    from knet.backends.decided import Decided


class Contour:
    """The backend (see `knet.backends.api.Backend`)."""

    name = "contour"
    ingress_class = "contour.ingress.networking.knative.dev"
    capabilities = Capabilities(
        wildcard_hosts=False,
        inner_serves_external=False,
        header_order_kept=False,
        empty_exact_is_present=False,
        redirect_without_tls=False,
        named_ports=False,
    )

    def settings(self, world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
        """Settings out of config-contour, config-network and the Services of the two gateways."""
        from knet.backends.contour.settings import read

        return read(world)

    def render(
        self, table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None
    ) -> Rendered:
        """HTTPProxies. With `changed`, those of these KIngresses."""
        from knet.backends.contour.render import render

        return render(table, settings, changed)

    def ready(self, rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
        """A KIngress is ready when Contour has found all its HTTPProxies valid."""
        from knet.backends.contour.ready import ready

        return ready(rendered, observed)

    def decide(self, rendered: Rendered, settings: Settings, request: Request) -> Decided:
        """What Contour does with a request (`knet.backends.decided.Explains`)."""
        from knet.backends.contour.decide import decide

        return decide(self.documents(rendered), settings, request)

    def documents(self, rendered: Rendered) -> list[dict[str, Any]]:
        """The objects: none holds a secret."""
        return list(rendered.objects)


backend = Contour()
