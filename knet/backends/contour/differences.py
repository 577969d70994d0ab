"""Where Contour decides otherwise than `knet.routing.match` on what is rendered: each a Diagnostic.

Quick where there is nothing to say, which is nearly always: it runs for every KIngress.
"""

from __future__ import annotations

from knet.backends.contour.arbitration import Places
from knet.backends.contour.differences_hosts import host_differences
from knet.backends.contour.differences_routes import order_differences, route_differences
from knet.backends.contour.differences_tls import tls_differences
from knet.backends.contour.settings import Settings
from knet.errors import Diagnostic
from knet.routing.passes.rows import REDIRECTED
from knet.routing.table import IngressTable


def differences(ingress: IngressTable, places: Places, settings: Settings) -> list[Diagnostic]:
    """Everything about one KIngress; `places` are those that it keeps."""
    found = [
        *host_differences(ingress, places, settings),
        *route_differences(ingress),
        *order_differences(ingress, places),
    ]
    if ingress.tls or settings.default_secret or ingress.http_option == REDIRECTED:
        found += tls_differences(ingress, places, settings)
    return found
