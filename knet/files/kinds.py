"""The kinds that are read, by apiVersion and kind; all others are passed over."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any

from pydantic import BaseModel

from knet import checks
from knet.errors import Diagnostic
from knet.model import core, kingress

KINGRESS = (kingress.API_VERSION, kingress.KIND)

_SERVING = {
    ("serving.knative.dev/v1", "Service"),
    ("serving.knative.dev/v1", "Route"),
    ("serving.knative.dev/v1", "Configuration"),
    ("serving.knative.dev/v1", "Revision"),
    ("serving.knative.dev/v1beta1", "DomainMapping"),
}
KINDS = frozenset({KINGRESS, *core.KINDS})


@cache
def model(api_version: str, kind: str) -> type[BaseModel]:
    """The pydantic model of one of `KINDS`."""
    if (api_version, kind) == KINGRESS:
        return kingress.KIngress
    if (api_version, kind) in core.KINDS:
        return core.KINDS[api_version, kind]
    raise NotImplementedError


def passed_over_name(api_version: str, kind: str) -> str:
    """How a kind that is passed over is counted: `Deployment.apps`, `Pod`."""
    group = api_version.rpartition("/")[0]
    return f"{kind}.{group}" if group else kind


def near_miss(api_version: str, kind: str) -> Diagnostic | None:
    """A warning (without place) if a kind that is passed over looks like one that was meant."""
    group = api_version.rpartition("/")[0]
    here = [(v, k) for v, k in KINDS if v.rpartition("/")[0] == group and group]
    for version, name in sorted(here):
        if name == kind:
            message = f"{kind} {api_version} is passed over: knet reads {version}"
            return checks.UNKNOWN_VERSION(message, field="apiVersion", hint=f"write apiVersion: {version}")
    close = difflib.get_close_matches(kind.lower(), [k.lower() for _, k in here], 1, 0.85)
    if close and not _known_elsewhere(kind):
        name = next(k for _, k in here if k.lower() == close[0])
        message = f"{kind} is no kind of {api_version}, and is passed over"
        return checks.UNKNOWN_VERSION(message, field="kind", hint=f"did you mean {name}?")
    return None


def _known_elsewhere(kind: str) -> bool:
    """Kinds of the same groups that knet has no use for."""
    return kind in {"ServerlessService", "Certificate", "Realm", "Domain", "ClusterDomainClaim"}


def validate(api_version: str, kind: str, body: bytes) -> Any:
    """The typed object. Raises pydantic's ValidationError."""
    return model(api_version, kind).model_validate_json(body)
