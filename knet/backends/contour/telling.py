"""How this backend words its Diagnostics."""

from __future__ import annotations

from knet.errors import Check, Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.table import IngressTable

GATEWAY = "contour"


def tell(ingress: IngressTable, check: Check, message: str, field: str, hint: str) -> Diagnostic:
    """A Diagnostic about a KIngress on Contour."""
    return check(message, about=ObjectRef(KIND, *ingress.key), field=field, hint=hint, gateway=GATEWAY)
