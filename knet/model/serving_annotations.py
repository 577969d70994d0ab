"""What Knative's webhook says of annotations: autoscaling, rollout, networking (facts/serving.md 50)."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from knet.model.serving_faults import Fault, bad_key, invalid, out_of_bounds
from knet.text import duration

AUTOSCALING = "autoscaling.knative.dev"
NETWORKING = "networking.knative.dev"
SERVING = "serving.knative.dev"
QUEUE = f"queue.sidecar.{SERVING}"
RESOURCE_PERCENTAGE = (f"{QUEUE}/resource-percentage", f"{QUEUE}/resourcePercentage")
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?\Z")
MAX_INT32 = 2**31 - 1

_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_KPA, _HPA = f"kpa.{AUTOSCALING}", f"hpa.{AUTOSCALING}"
_METRICS = {_KPA: ("concurrency", "rps"), _HPA: ("cpu", "memory")}

# the kebab spelling and its older camel one
_ALIASES = {
    name: re.sub(r"-([a-z])", lambda m: m[1].upper(), name)
    for name in (
        "min-scale",
        "max-scale",
        "initial-scale",
        "activation-scale",
        "target",
        "target-utilization-percentage",
        "target-burst-capacity",
        "window",
        "panic-window-percentage",
        "panic-threshold-percentage",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
        "metric-aggregation-algorithm",
        "class",
        "metric",
    )
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What config-autoscaler allows in annotations."""

    allow_zero_initial_scale: bool = False
    max_scale: int = 0


def limits(data: Mapping[str, str]) -> Limits:
    """From config-autoscaler's data. A value that is none counts as its default."""
    allowed = data.get("allow-zero-initial-scale", "").lower() == "true"
    return Limits(allowed, _int(data.get("max-scale-limit", "")) or 0)


def misplaced(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """Autoscaling annotations that stand on the object and not on its template."""
    for key in annotations:
        if key.startswith(f"{AUTOSCALING}/"):
            details = 'autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
            yield bad_key(key, at, details)


def route_annotations(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """The rollout duration of a Route or Service."""
    for name in ("rollout-duration", "rolloutDuration"):
        value = annotations.get(f"{SERVING}/{name}")
        if value is not None:
            yield from _whole_seconds(value, "rollout-duration", f"{at}.{SERVING}/{name}")
            return


def own(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """Annotations of serving and networking on a template."""
    value = annotations.get(f"{SERVING}/progress-deadline")
    if value is not None:
        yield from _whole_seconds(value, "progress-deadline", f"{at}.{SERVING}/progress-deadline")
    for key in annotations:
        if key.startswith(f"{NETWORKING}/"):
            yield bad_key(key, at)


def queue_proxy(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """The resources of the queue-proxy."""
    for key, value in annotations.items():
        if not key.startswith(f"{QUEUE}/"):
            continue
        path = f"{at}.[{key}]"
        if key.endswith(("-resource-request", "-resource-limit")):
            if not _QUANTITY.match(value):
                yield invalid(value, path)
        elif key in RESOURCE_PERCENTAGE:
            try:
                number = float(value)
            except ValueError:
                yield invalid(value, path)
                continue
            if not 0.1 <= number <= 100:
                yield out_of_bounds(value, 0.1, 100, path)


def autoscaling(annotations: Mapping[str, str], at: str, bounds: Limits) -> Iterator[Fault]:
    """The autoscaling annotations of a template."""
    given = {}
    for name, alias in _ALIASES.items():
        for spelling in (name, alias):
            if (value := annotations.get(f"{AUTOSCALING}/{spelling}")) is not None:
                given[name] = (value, f"{at}.{AUTOSCALING}/{spelling}")
                break
    if not given:
        return
    yield from _scales(given, at, bounds)
    yield from _floats(given)
    yield from _durations(given, at)
    yield from _classes(given, at)


_Given = Mapping[str, tuple[str, str]]


def _scales(given: _Given, at: str, bounds: Limits) -> Iterator[Fault]:
    low = yield from _scale(given, "min-scale")
    high = yield from _scale(given, "max-scale")
    if bounds.max_scale and high is not None and high > bounds.max_scale:
        yield out_of_bounds(high, 1, bounds.max_scale, given["max-scale"][1])
    if low is not None and high is not None and high and low > high:
        message = f"max-scale={high} is less than min-scale={low}"
        yield Fault(message, given["max-scale"][1])
        yield Fault(message, given["min-scale"][1])
    if "initial-scale" in given:
        value, path = given["initial-scale"]
        number = _int(value)
        if number is None:
            yield invalid(value, path)
        elif number < 0:
            yield invalid(value, f"{at}.{AUTOSCALING}/initial-scale must be greater than 0")
        elif number == 0 and not bounds.allow_zero_initial_scale:
            yield invalid(value, f"{at}.{AUTOSCALING}/initial-scale=0 not allowed by cluster")
    if "activation-scale" in given:
        value, path = given["activation-scale"]
        number = _int(value)
        if number is None:
            yield invalid(value, path)
        elif number < 2:
            yield Fault(f"activation-scale={number} must be greater than 1", path)
        elif low is not None and low > number:
            yield Fault(f"min-scale={low} is greater than activation-scale={number}", path)
        elif high and high < number:
            yield Fault(f"max-scale={high} is less than activation-scale={number}", path)


def _scale(given: _Given, name: str) -> Generator[Fault, None, int | None]:
    if name not in given:
        return None
    value, path = given[name]
    number = _int(value)
    if number is None:
        yield invalid(value, path)
        return None
    if not 0 <= number <= MAX_INT32:
        yield out_of_bounds(value, 0, MAX_INT32, path)
        return None
    return number


def _floats(given: _Given) -> Iterator[Fault]:
    bounds = {
        "panic-window-percentage": (1.0, 100.0),
        "panic-threshold-percentage": (110.0, 1000.0),
        "target-utilization-percentage": (1.0, 100.0),
    }
    for name, (low, high) in bounds.items():
        if name in given:
            value, path = given[name]
            number = _float(value)
            if number is None:
                yield invalid(value, path)
            elif number < low or number > high:
                yield out_of_bounds(value, int(low), int(high), path)
    if "target" in given:
        value, path = given["target"]
        number = _float(value)
        if number is None:
            yield invalid(value, path)
        elif number < 0.01:
            yield Fault(f"target {value} should be at least 0.01", path)
    if "target-burst-capacity" in given:
        value, path = given["target-burst-capacity"]
        number = _float(value)
        if number is None or (number < 0 and number != -1):
            yield invalid(value, path)


def _durations(given: _Given, at: str) -> Iterator[Fault]:
    bounds = {"window": 6, "scale-down-delay": 0, "scale-to-zero-pod-retention-period": 0}
    for name, low in bounds.items():
        if name not in given:
            continue
        value, path = given[name][0], f"{at}.{AUTOSCALING}/{name}"
        try:
            length = duration.parse(value)
        except ValueError:
            yield invalid(value, path)
            continue
        if not low * duration.SECOND <= length <= 3600 * duration.SECOND:
            yield out_of_bounds(value, f"{low}s", "1h0m0s", path)
        elif length % duration.SECOND:
            yield Fault("must be specified with at most second precision", path)


def _classes(given: _Given, at: str) -> Iterator[Fault]:
    name = given["class"][0] if "class" in given else ""
    if name.endswith(AUTOSCALING) and name not in _METRICS:
        yield invalid(name, f"{at}.{AUTOSCALING}/class")
    elif "metric" in given and (known := _METRICS.get(name or _KPA)):
        metric = given["metric"][0]
        # HPA takes custom metrics too
        if metric not in known and (not name or name == _KPA or not metric):
            yield invalid(metric, f"{at}.{AUTOSCALING}/metric")
    if name == _KPA and "metric-aggregation-algorithm" in given:
        value, path = given["metric-aggregation-algorithm"]
        if value not in ("linear", "weighted-exponential", "weightedExponential"):
            yield invalid(value, path)


def _whole_seconds(value: str, name: str, path: str) -> Iterator[Fault]:
    try:
        length = duration.parse(value)
    except ValueError:
        yield invalid(value, path)
        return
    if length % duration.SECOND:
        yield Fault(f"{name}={value} is not at second precision", path)
    elif length < 0:
        yield Fault(f"{name}={value} must be positive", path)


def _int(text: str) -> int | None:
    return int(text) if len(text) < 20 and _INT.match(text) else None


def _float(text: str) -> float | None:
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return math.nan if "nan" in text.lower() else math.inf * (-1 if text[0] == "-" else 1)
    return float(text) if _FLOAT.match(text) and "_" not in text else None
