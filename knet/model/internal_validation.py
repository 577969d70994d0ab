"""Validation of what Knative's controllers write for one another: texts of its webhook (facts/knative.md A.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from knet.model import serving_names
from knet.model.serving_annotations import Limits, autoscaling
from knet.model.serving_faults import Fault, disallowed, invalid, missing, out_of_bounds

Plain = Mapping[str, Any]
_PROTOCOLS = ("http1", "h2c")
_MODES = ("Serve", "Proxy")
_REFERENCE: Mapping[str, Callable[[str], list[str]]] = {
    "apiVersion": serving_names.qualified,
    "kind": serving_names.identifier,
    "name": serving_names.label_1123,
}
"""What a reference says, and how what is wrong with it is found."""


def validate(kind: str, item: Plain, limits: Limits, max_concurrency: int = 1000) -> list[Fault]:
    """What is wrong with a PodAutoscaler, ServerlessService, Metric, Certificate or ClusterDomainClaim.

    Nothing is said of other kinds. `limits` are config-autoscaler's.
    """
    check = _CHECKS.get(kind)
    if check is None:
        return []
    spec = item.get("spec") or {}
    if not any(value not in (None, "", {}, [], 0) for value in spec.values()):
        return [missing("spec")] if kind != "Certificate" else list(check(spec))
    found = list(check(spec))
    if kind == "PodAutoscaler":
        notes = (item.get("metadata") or {}).get("annotations") or {}
        found += autoscaling(notes, "metadata.annotations", limits)
        requests = spec.get("containerConcurrency") or 0
        if not 0 <= requests <= max_concurrency:
            found.append(out_of_bounds(requests, 0, max_concurrency, "spec.containerConcurrency"))
    return found


def _autoscaler(spec: Plain) -> Iterator[Fault]:
    yield from _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    yield from _protocol(spec)


def _serverless(spec: Plain) -> Iterator[Fault]:
    mode = spec.get("mode") or ""
    if not mode:
        yield missing("spec.mode")
    elif mode not in _MODES:
        yield invalid(mode, "spec.mode")
    if (activators := spec.get("numActivators") or 0) < 0:
        yield invalid(activators, "spec.numActivators")
    yield from _reference(spec.get("objectRef") or {}, "spec.objectRef")
    yield from _protocol(spec)


def _certificate(spec: Plain) -> Iterator[Fault]:
    names = spec.get("dnsNames") or ()
    if not names:
        yield missing("spec.dnsNames")
    for i, name in enumerate(names):
        if not name:
            yield invalid("", f"spec.dnsNames[{i}]")
    if not spec.get("secretName"):
        yield missing("spec.secretName")


def _claim(spec: Plain) -> Iterator[Fault]:
    if not spec.get("namespace"):
        yield missing("spec.namespace")


def _metric(_: Plain) -> Iterator[Fault]:
    return iter(())


def _reference(ref: Plain, at: str) -> Iterator[Fault]:
    """A reference to an object of the same namespace."""
    for name, value in ref.items():
        if value and name not in _REFERENCE:
            yield disallowed(f"{at}.{name}")
    for name, problems in _REFERENCE.items():
        value = str(ref.get(name) or "")
        if not value:
            yield missing(f"{at}.{name}")
        elif found := problems(value):
            yield invalid(", ".join(found), f"{at}.{name}")


def _protocol(spec: Plain) -> Iterator[Fault]:
    protocol = spec.get("protocolType") or ""
    if protocol not in _PROTOCOLS:
        yield invalid(protocol, "spec.protocolType")


_CHECKS: Mapping[str, Callable[[Plain], Iterator[Fault]]] = {
    "PodAutoscaler": _autoscaler,
    "ServerlessService": _serverless,
    "Metric": _metric,
    "Certificate": _certificate,
    "ClusterDomainClaim": _claim,
}
