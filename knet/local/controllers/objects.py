"""What controllers read of raw objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


def spec(item: Mapping[str, Any]) -> Object:
    return item.get("spec") or {}


def status(item: Mapping[str, Any]) -> Object:
    return item.get("status") or {}


def labels(item: Mapping[str, Any]) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def name(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["name"])


def key(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item["metadata"].get("namespace", "")), name(item)


def leaving(item: Mapping[str, Any]) -> bool:
    """Whether an object is being deleted."""
    return bool(item["metadata"].get("deletionTimestamp"))


def controller_of(item: Mapping[str, Any]) -> Object | None:
    """The owner that controls an object."""
    owners: Iterable[Object] = item["metadata"].get("ownerReferences") or ()
    return next((o for o in owners if o.get("controller")), None)


def owned_by(item: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    found = controller_of(item)
    return found is not None and found["uid"] == owner["metadata"]["uid"]


def condition(item: Mapping[str, Any], kind: str) -> Object:
    """A condition of a status, or {}."""
    return next((c for c in status(item).get("conditions") or () if c.get("type") == kind), {})


def ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def active(pod: Mapping[str, Any]) -> bool:
    """Whether a pod counts as one of its set: it has not ended and is not on its way out."""
    return not leaving(pod) and status(pod).get("phase") not in ("Succeeded", "Failed")


def available(pod: Mapping[str, Any], least_seconds: int, now: float) -> bool:
    """Whether a pod has been ready for as long as its set wants."""
    if not ready(pod):
        return False
    since = condition(pod, "Ready").get("lastTransitionTime")
    return not least_seconds or (since is not None and seconds(since) + least_seconds <= now)


def selects(selector: Mapping[str, Any] | None, item: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector object chooses an object; an empty or absent one chooses none."""
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return False
    have = labels(item)
    if any(have.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(rule, have) for rule in selector.get("matchExpressions") or ())


def _holds(rule: Mapping[str, Any], have: Mapping[str, str]) -> bool:
    found, values = have.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
    return found is None


def seconds(text: str) -> float:
    """An RFC 3339 time as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def stamp(now: float) -> str:
    """Seconds since 1970 as RFC 3339."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
