"""What Knative's webhook warns of and admits all the same: `warning` of golden/validation. Pure, on plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.model.serving_annotations import RESOURCE_PERCENTAGE
from knet.model.serving_faults import Fault

_INSECURE = "Kubernetes default value is insecure, Knative may default this to secure in a future release"
_PERCENTAGE = (
    "Queue proxy resource percentage annotation is deprecated. "
    "Please use the available annotations to explicitly set resource values per service"
)

Plain = Mapping[str, Any]


def warnings(item: Plain, *, update: bool = False) -> list[Fault]:
    """What may be said of an object of serving.knative.dev, as it is after defaulting.

    A Revision that is updated is not warned of again: its spec is what it was.
    """
    spec = item.get("spec") or {}
    match item.get("kind"):
        case "Service" | "Configuration":
            template = spec.get("template") or {}
            annotations = (template.get("metadata") or {}).get("annotations") or {}
            pod, at = template.get("spec") or {}, "spec.template.spec"
        case "Revision" if not update:
            annotations = (item.get("metadata") or {}).get("annotations") or {}
            pod, at = spec, "spec"
        case _:
            return []
    found = list(_pod(pod, at))
    if any(key in annotations for key in RESOURCE_PERCENTAGE):
        found.append(Fault(_PERCENTAGE, ""))
    return found


def _pod(spec: Plain, at: str) -> Iterator[Fault]:
    pod = spec.get("securityContext") or {}
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            for name in _unsaid(container.get("securityContext") or {}, pod):
                yield Fault(_INSECURE, f"{at}.{field}[{i}].securityContext.{name}")


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
    if not _type(own) and not _type(pod):
        yield "seccompProfile"


def _type(context: Plain) -> str:
    found: str = (context.get("seccompProfile") or {}).get("type") or ""
    return found
