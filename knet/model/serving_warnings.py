"""What Knative's webhook warns of and admits all the same: `warning` of golden/validation. Pure, on plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.model.features import SECURE_POD_DEFAULTS, Features
from knet.model.serving_annotations import RESOURCE_PERCENTAGE
from knet.model.serving_faults import Fault, invalid

_INSECURE = "Kubernetes default value is insecure, Knative may default this to secure in a future release"
_PERCENTAGE = (
    "Queue proxy resource percentage annotation is deprecated. "
    "Please use the available annotations to explicitly set resource values per service"
)

Plain = Mapping[str, Any]


def warnings(item: Plain, features: Features = Features(), *, update: bool = False) -> list[Fault]:  # noqa: B008
    """What may be said of an object of serving.knative.dev, as it is after defaulting.

    A Revision that is updated is not warned of again: its spec is what it was. `features` may make pods secure.
    """
    spec = item.get("spec") or {}
    found: list[Fault] = []
    match item.get("kind"):
        case "Service" | "Configuration":
            template = spec.get("template") or {}
            annotations = (template.get("metadata") or {}).get("annotations") or {}
            if any(key in annotations for key in RESOURCE_PERCENTAGE):
                found.append(Fault(_PERCENTAGE, ""))
            pod, at = template.get("spec") or {}, "spec.template.spec"
        case "Revision" if not update:
            pod, at = spec, "spec"
        case _:
            return []
    if features.flag(SECURE_POD_DEFAULTS) == "disabled":
        found += _pod(pod, at)
    return found


def _pod(spec: Plain, at: str) -> Iterator[Fault]:
    pod = spec.get("securityContext") or {}
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            own, where = container.get("securityContext") or {}, f"{at}.{field}[{i}].securityContext"
            for name in _unsaid(own, pod):
                yield Fault(_INSECURE, f"{where}.{name}")
            dropped = (own.get("capabilities") or {}).get("drop")
            if dropped and dropped[0] == "all":
                yield invalid("all", f"{where}.capabilities.drop", "Must be spelled as 'ALL'")


def _unsaid(own: Plain, pod: Plain) -> Iterator[str]:
    """The fields of a container's security whose default in Kubernetes is the open one."""
    if own.get("allowPrivilegeEscalation") is None:
        yield "allowPrivilegeEscalation"
    if own.get("capabilities") is None:
        yield "capabilities"
    elif own["capabilities"].get("drop") is None:
        yield "capabilities.drop"
    if own.get("runAsNonRoot") is None and pod.get("runAsNonRoot") is None:
        yield "runAsNonRoot"
    profiles = [p for c in (own, pod) if (p := c.get("seccompProfile")) is not None]
    if not profiles:
        yield "seccompProfile"
    elif not any(profile.get("type") for profile in profiles):
        yield "seccompProfile.type"
