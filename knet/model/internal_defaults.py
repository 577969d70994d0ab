"""What Knative's webhook fills in on objects that its controllers write for one another, and on KIngresses. Pure."""

from __future__ import annotations

from typing import Any

from knet.model.kingress import EXTERNAL

_AUTOSCALING = "autoscaling.knative.dev/"
CLASS = f"{_AUTOSCALING}class"
METRIC = f"{_AUTOSCALING}metric"
METRICS = {"kpa.autoscaling.knative.dev": "concurrency", "hpa.autoscaling.knative.dev": "cpu"}
"""By the class of a PodAutoscaler, what it scales by where nothing is said; nothing for classes of others."""

Plain = dict[str, Any]


def defaulted(item: Plain, autoscaler_class: str) -> Plain:
    """The object as it is admitted; the same object where there is nothing to fill in."""
    match item.get("kind"):
        case "PodAutoscaler":
            return _scaled(item, autoscaler_class)
        case "Ingress":
            return _routed(item)
        case _:
            return item


def _scaled(item: Plain, autoscaler_class: str) -> Plain:
    meta = item["metadata"]
    notes = dict(meta.get("annotations") or {})
    said = notes.setdefault(CLASS, autoscaler_class)
    notes.setdefault(METRIC, METRICS.get(said, ""))
    if notes == meta.get("annotations"):
        return item
    return {**item, "metadata": {**meta, "annotations": notes}}


def _routed(item: Plain) -> Plain:
    """`httpOption` stays as it is: what is not said counts as Enabled all the same (facts/translation.md)."""
    spec = item.get("spec") or {}
    rules = [_rule(rule) for rule in spec.get("rules") or ()]
    if rules == (spec.get("rules") or []):
        return item
    return {**item, "spec": {**spec, "rules": rules}}


def _rule(rule: Plain) -> Plain:
    made = rule if rule.get("visibility") else {**rule, "visibility": EXTERNAL}
    http = made.get("http") or {}
    paths = [_path(path) for path in http.get("paths") or ()]
    return made if paths == (http.get("paths") or []) else {**made, "http": {**http, "paths": paths}}


def _path(path: Plain) -> Plain:
    """A split that has a path to itself has all of it."""
    splits: list[Plain] = path.get("splits") or []
    if len(splits) != 1 or splits[0].get("percent"):
        return path
    return {**path, "splits": [{**splits[0], "percent": 100}]}
