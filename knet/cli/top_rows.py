"""What `knet top` shows, out of what the API, the autoscaler, the activators and the gateway say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.rollout.counts import Counts

Key = tuple[str, str]
"""(namespace, name)"""
Sample = tuple[Mapping[str, str], float]
Object = dict[str, Any]

SERVICE = "serving.knative.dev/service"
REVISION = "serving.knative.dev/revision"
PHASES = ("decide", "start", "ready", "first_byte")
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> dict[str, list[Sample]]:
    """Prometheus' text format, by name of metric. Lines that are none are left out."""
    found: dict[str, list[Sample]] = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.fullmatch(line)
        if match:
            labels = dict(_LABEL.findall(match["labels"] or ""))
            found.setdefault(match["name"], []).append((labels, float(match["value"])))
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at a moment (seconds of a monotonic clock). Metrics are those of all replicas."""

    at: float
    services: tuple[Object, ...] = ()
    revisions: tuple[Object, ...] = ()
    scalers: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    autoscaler: Mapping[str, list[Sample]] = field(default_factory=dict)
    activators: Mapping[str, list[Sample]] = field(default_factory=dict)
    requests: Mapping[Key, Counts] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """What did not answer, in words."""


def told(now: Reading, before: Reading | None) -> Object:
    """Services with their revisions, as JSON's data. Rates and latencies are those since `before`."""
    by_service: dict[Key, list[Object]] = {}
    for revision in now.revisions:
        service = (revision["metadata"].get("labels") or {}).get(SERVICE, "")
        by_service.setdefault((revision["metadata"]["namespace"], service), []).append(revision)
    made = []
    for service in sorted(now.services, key=_key):
        shares = _shares(service)
        revisions = sorted(by_service.get(_key(service), ()), key=_key)
        made.append(
            {
                "namespace": service["metadata"]["namespace"],
                "name": service["metadata"]["name"],
                **_ready(service),
                "revisions": [
                    _revision(r, shares.get(r["metadata"]["name"]), now, before) for r in revisions
                ],
            }
        )
    return {"services": made, "missing": list(now.missing)}


def _key(item: Object) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _ready(item: Object) -> Object:
    conditions = (item.get("status") or {}).get("conditions") or ()
    ready: Object = next((c for c in conditions if c["type"] == "Ready"), {})
    said = {"ready": ready.get("status", "Unknown")}
    return (
        said if said["ready"] == "True" else said | {"why": ready.get("message") or ready.get("reason", "")}
    )


def _shares(service: Object) -> dict[str, Object]:
    """By revision: its percentage and its tags."""
    found: dict[str, Object] = {}
    for target in (service.get("status") or {}).get("traffic") or ():
        one = found.setdefault(target.get("revisionName", ""), {"percent": 0, "tags": []})
        one["percent"] += target.get("percent") or 0
        one["tags"] += [target["tag"]] if target.get("tag") else []
    return found


def _revision(item: Object, share: Object | None, now: Reading, before: Reading | None) -> Object:
    key = _key(item)
    scaler = next((s for s in now.scalers if _key(s) == key), {}).get("status") or {}
    kinds = [k for k in ("concurrency", "rps") if _of(now, f"kn_revision_{k}_target", key) is not None]
    kind = kinds[0] if kinds else ""
    return {
        "name": key[1],
        **_ready(item),
        "percent": (share or {}).get("percent", 0),
        "tags": (share or {}).get("tags", []),
        "desired": scaler.get("desiredScale"),
        "actual": scaler.get("actualScale"),
        "pods": pods(now.pods, key),
        "metric": kind,
        "average": _of(now, f"kn_revision_{kind}_stable", key) if kind else None,
        "target": _of(now, f"kn_revision_{kind}_target", key) if kind else None,
        "panic": bool(_of(now, "kn_revision_panic_mode", key)),
        "waiting": _of(now, "knet_activator_waiting", key) or 0,
        **traffic(key, now, before),
        "cold_start_ms": _cold_start(now, key),
    }


def pods(found: Iterable[Object], key: Key) -> Object:
    """How many are ready, are starting, are ending."""
    counts = {"ready": 0, "starting": 0, "ending": 0}
    for pod in found:
        meta = pod["metadata"]
        if (meta["namespace"], (meta.get("labels") or {}).get(REVISION)) != key:
            continue
        ready = _ready(pod)["ready"] == "True"
        counts["ending" if meta.get("deletionTimestamp") else "ready" if ready else "starting"] += 1
    return counts


def traffic(key: Key, now: Reading, before: Reading | None) -> Object:
    """Requests and errors each second, and latencies, between two readings; None where there is one only."""
    here, was = now.requests.get(key), before.requests.get(key, Counts()) if before else None
    came = here.minus(was) if here and was else Counts() if was else None
    if came is None or before is None:
        return {"requests_per_second": None, "errors_per_second": None, "latency_ms": None}
    seconds = max(now.at - before.at, 1e-3)
    latency = {f"p{q}": came.latency.quantile(q / 100) for q in (50, 99)} if came.requests else None
    return {
        "requests_per_second": came.requests / seconds,
        "errors_per_second": came.errors / seconds,
        "latency_ms": latency,
    }


def _of(now: Reading, name: str, key: Key) -> float | None:
    """What a metric says of a revision, of all replicas together."""
    found = list(_all(now, name, key))
    return sum(value for _, value in found) if found else None


def _all(now: Reading, name: str, key: Key) -> Iterator[Sample]:
    for said in (now.autoscaler, now.activators):
        for labels, value in said.get(name, ()):
            namespace = labels.get("namespace", labels.get("k8s_namespace_name"))
            if (namespace, labels.get("revision", labels.get("kn_revision_name"))) == key:
                yield labels, value


def _cold_start(now: Reading, key: Key) -> Object | None:
    """The last start from zero, by phase."""
    found = {labels["phase"]: value for labels, value in _all(now, "knet_cold_start_last_seconds", key)}
    return {phase: found[phase] * 1000 for phase in PHASES if phase in found} or None
