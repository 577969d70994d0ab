"""istio: VirtualServices and Gateways as net-istio makes them (facts/translation.md, istio; golden).

Importing this module is cheap; the renderer is loaded when something is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from knet.backends.api import Capabilities, Readiness, Rendered
from knet.errors import Diagnostic
from knet.routing.match import Request
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World

if TYPE_CHECKING:
    from knet.backends.decided import Decided
    from knet.backends.istio.settings import Settings


class Istio:
    """The backend (see `knet.backends.api.Backend`)."""

    name = "istio"
    ingress_class = "istio.ingress.networking.knative.dev"
    capabilities = Capabilities(
        wildcard_hosts=False,
        inner_serves_external=False,
        longest_path_first=False,
        empty_exact_is_present=False,
        any_case=False,
        named_ports=False,
    )

    def settings(self, world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
        """Settings out of config-istio, config-network and the gateways' Services."""
        from knet.backends.istio.settings import read

        return read(world)

    def render(
        self, table: RoutingTable, settings: Settings, changed: frozenset[Key] | None = None
    ) -> Rendered:
        """Gateways, Secret copies and VirtualServices. With `changed`, those of these KIngresses."""
        from knet.backends.istio.render import render

        return render(table, settings, changed)

    def ready(self, rendered: Rendered, observed: Mapping[str, Any]) -> Mapping[Key, Readiness]:
        """A KIngress is ready when its VirtualServices are there as rendered."""
        from knet.backends.istio.ready import ready

        return ready(rendered, observed)

    def decide(self, rendered: Rendered, settings: Settings, request: Request) -> Decided:
        """What Istio does with a request (`knet.backends.decided.Explains`)."""
        from knet.backends.istio.decide import decide

        shared = {g.qualified for g in settings.gateways.get(request.visibility, ())}
        return decide(self.documents(rendered), shared, request)

    def documents(self, rendered: Rendered) -> list[dict[str, Any]]:
        """The objects; the data of Secret copies as hashes."""
        return [_masked(made) if made["kind"] == "Secret" else made for made in rendered.objects]


def _masked(secret: dict[str, Any]) -> dict[str, Any]:
    hashes = {k: "sha256:" + hashlib.sha256(v.encode()).hexdigest()[:12] for k, v in secret["data"].items()}
    return {**secret, "data": hashes}


backend = Istio()
