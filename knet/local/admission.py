"""Admission of our own kinds, in process: what Knative's webhooks refuse, in their words."""

from __future__ import annotations

from pydantic import ValidationError

from knet.local.api.errors import invalid
from knet.local.api.kinds import Kind, Object
from knet.model import kingress, validation

INGRESSES = "ingresses.networking.internal.knative.dev"


def admit(operation: str, kind: Kind, new: Object, old: Object | None) -> Object:  # noqa: ARG001
    """The object as it is admitted. Raises Refused (422). Nothing is filled in: KIngresses stay as written."""
    if kind.collection != INGRESSES or operation == "DELETE":
        return new
    name = str(new["metadata"]["name"])
    try:
        typed = kingress.parse({k: v for k, v in new.items() if k != "status"})
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_url=False)]
        raise invalid(kind, name, found) from error
    problems = [(field, message) for message, field in validation.validate(typed)]
    if problems:
        raise invalid(kind, name, problems)
    return new
