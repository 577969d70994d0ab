"""The kinds that are read, by apiVersion and kind; all others are passed over."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any

from pydantic import BaseModel

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model import core, kingress

KINGRESS = (kingress.API_VERSION, kingress.KIND)

SERVING = "serving.knative.dev"
_SERVING = {
    (f"{SERVING}/v1", "Service"),
    (f"{SERVING}/v1", "Route"),
    (f"{SERVING}/v1", "Configuration"),
    (f"{SERVING}/v1", "Revision"),
    (f"{SERVING}/v1beta1", "DomainMapping"),
}
SERVING_REFS = frozenset(f"{kind}.{SERVING}" for _, kind in _SERVING)
"""The kinds of the refs of Knative Serving's objects."""
KINDS = frozenset({KINGRESS, *core.KINDS, *_SERVING})


@cache
def model(api_version: str, kind: str) -> type[BaseModel]:
    """The pydantic model of one of `KINDS`."""
    if (api_version, kind) == KINGRESS:
        return kingress.KIngress
    if (api_version, kind) in core.KINDS:
        return core.KINDS[api_version, kind]
    # imported here: 30 ms that only those with Knative's objects should pay
    from knet.model import domainmapping, serving

    return domainmapping.DomainMapping if kind == domainmapping.KIND else serving.KINDS[kind]


def ref(api_version: str, kind: str, namespace: str, name: str) -> ObjectRef:
    """The ref of an object that could not be read, as its model would give it."""
    own = f"{kind}.{SERVING}" if api_version.startswith(f"{SERVING}/") else kind
    return ObjectRef(own, namespace, name)


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
