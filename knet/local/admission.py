"""Admission of our own kinds, in process: what Knative's webhooks refuse, in their words."""

from __future__ import annotations

from knet.control.admission import refusal
from knet.local.api.errors import bad_request
from knet.local.api.kinds import Kind, Object


def admit(operation: str, kind: Kind, new: Object, old: Object | None) -> Object:
    """The object as it is admitted. Raises Refused (400). Nothing is filled in: objects stay as written."""
    if operation != "DELETE" and (said := refusal(kind.collection, new, old)):
        raise bad_request(f'admission webhook "{WEBHOOK}" denied the request: validation failed: {said}')
    return new


WEBHOOK = "validation.webhook.serving.knative.dev"
"""By this name scripts know who refuses."""
