"""What Knative's webhook says of annotations: autoscaling, rollout, networking (facts/serving.md 50)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from knet.model.serving_faults import Fault, bad_key, invalid, out_of_bounds
from knet.text import duration, go, quantity

AUTOSCALING = "autoscaling.knative.dev"
NETWORKING = "networking.knative.dev"
SERVING = "serving.knative.dev"
QUEUE = f"queue.sidecar.{SERVING}"
RESOURCE_PERCENTAGE = (f"{QUEUE}/resource-percentage", f"{QUEUE}/resourcePercentage")
QUEUE_AMOUNTS = tuple(
    f"{QUEUE}/{resource}-resource-{kind}"
    for resource in ("cpu", "memory", "ephemeral-storage")
    for kind in ("request", "limit")
)
MAX_INT32 = 2**31 - 1

ROLLOUT_DURATION = (f"{SERVING}/rollout-duration", f"{SERVING}/rolloutDuration")
_RETENTION = "scale-to-zero-pod-retention-period"
_KPA, _HPA = f"kpa.{AUTOSCALING}", f"hpa.{AUTOSCALING}"
_METRICS = {_KPA: ("concurrency", "rps"), _HPA: ("cpu", "memory")}

# the kebab spelling and its older camel one
_ALIASES = {
    name: re.sub(r"-([a-z])", lambda m: m[1].upper(), name)
    for name in (
        "min-scale",
        "max-scale",
        "initial-scale",
        "target",
        "target-utilization-percentage",
        "target-burst-capacity",
        "window",
        "panic-window-percentage",
        "panic-threshold-percentage",
        "scale-down-delay",
        _RETENTION,
        "metric-aggregation-algorithm",
        "class",
        "metric",
    )
} | {"activation-scale": "activation-scale"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What config-autoscaler allows in annotations, and the class of those that name none."""

    allow_zero_initial_scale: bool = False
    max_scale: int = 0
    pod_autoscaler_class: str = _KPA


def limits(data: Mapping[str, str]) -> Limits:
    """From config-autoscaler's data. A value that is none counts as its default."""
    try:
        allowed = go.boolean(data.get("allow-zero-initial-scale", "false"))
    except ValueError:
        allowed = False
    most = _int(data.get("max-scale-limit", ""), 32) or 0
    return Limits(allowed, most, data.get("pod-autoscaler-class", _KPA))


def misplaced(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """Autoscaling annotations that stand on the object and not on its template."""
    for key in annotations:
        if key.startswith(AUTOSCALING):
            details = 'autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
            yield bad_key(key, at, details)


def route_annotations(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """The rollout duration of a Route or Service."""
    key = next((k for k in ROLLOUT_DURATION if k in annotations), "")
    yield from _whole_seconds(annotations.get(key, ""), "rollout-duration", f"{at}.{key}")


def own(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """Annotations of serving and networking on a template."""
    key = f"{SERVING}/progress-deadline"
    yield from _whole_seconds(annotations.get(key, ""), "progress-deadline", f"{at}.{key}")
    for key in annotations:
        if key.startswith(f"{NETWORKING}/"):
            yield bad_key(key, at)


def queue_proxy(annotations: Mapping[str, str], at: str) -> Iterator[Fault]:
    """The resources of the queue-proxy."""
    key = next((k for k in RESOURCE_PERCENTAGE if k in annotations), "")
    if key:
        path = f"{at}.[{key}]"
        number = _float(annotations[key])
        if number is None:
            yield invalid(annotations[key], path)
        elif number < 0.1 or number > 100:
            yield out_of_bounds(go.format_number(number), 0.1, 100, path)
    for key in QUEUE_AMOUNTS:
        if key in annotations:
            try:
                quantity.parse(annotations[key])
            except ValueError:
                yield invalid(annotations[key], f"{at}.[{key}]")


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
    yield from _durations(given)
    yield from _classes(given, bounds)


_Given = Mapping[str, tuple[str, str]]


def _scales(given: _Given, at: str, bounds: Limits) -> Iterator[Fault]:
    low = yield from _scale(given, "min-scale")
    high = yield from _scale(given, "max-scale")
    if high and low > high:
        message = f"max-scale={high} is less than min-scale={low}"
        for name in ("max-scale", "min-scale"):  # whichever spelling was read
            yield Fault(message, f"{at}.{AUTOSCALING}/{name}")
    if "max-scale" in given and bounds.max_scale:
        path = given["max-scale"][1]
        if high > bounds.max_scale:
            yield out_of_bounds(high, 1, bounds.max_scale, path)
        if not high:
            yield Fault(f"max-scale=0 (unlimited), must be less than {bounds.max_scale}", path)
    if "activation-scale" in given:
        value, path = given["activation-scale"]
        number = _int(value, 32)
        if number is None:
            yield invalid(value, path)
        elif low > number:
            yield Fault(f"min-scale={low} is greater than activation-scale={number}", path)
        elif high and high < number:
            yield Fault(f"max-scale={high} is less than activation-scale={number}", path)
        elif number < 2:
            yield Fault(f"activation-scale={number} must be greater than 1", path)
    if "initial-scale" in given:
        value, path = given["initial-scale"]
        number = _int(value, 64)
        if number is None:
            yield invalid(value, path)
        elif number < 0:
            yield invalid(value, f"{path} must be greater than 0")
        elif number == 0 and not bounds.allow_zero_initial_scale:
            yield invalid(value, f"{path}=0 not allowed by cluster")


def _scale(given: _Given, name: str) -> Generator[Fault, None, int]:
    """A scale; 0, which is no bound, where none is given or it is wrong."""
    if name not in given:
        return 0
    value, path = given[name]
    try:
        number = go.integer(value)
    except ValueError as error:
        if "out of range" not in str(error):
            yield invalid(value, path)
            return 0
        number = -1
    if number < 0:
        yield out_of_bounds(value, 0, MAX_INT32, path)
        return 0
    return number


def _floats(given: _Given) -> Iterator[Fault]:
    bounds = {
        "panic-window-percentage": (1, 100),
        "panic-threshold-percentage": (110, 1000),
        "target-utilization-percentage": (1, 100),
    }
    for name, (low, high) in bounds.items():
        if name in given:
            value, path = given[name]
            number = _float(value)
            if number is None:
                yield invalid(value, path)
            elif number < low or number > high:
                yield out_of_bounds(value, low, high, path)
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


def _durations(given: _Given) -> Iterator[Fault]:
    bounds = {"window": 6, "scale-down-delay": 0, _RETENTION: 0}
    for name, low in bounds.items():
        if name not in given:
            continue
        value, path = given[name]
        try:
            length = duration.parse(value)
        except ValueError:
            yield invalid(value, path)
            continue
        if not low * duration.SECOND <= length <= 3600 * duration.SECOND:
            yield out_of_bounds(value, f"{low}s", "1h0m0s", path)
        elif length % duration.SECOND and name != _RETENTION:
            yield Fault("must be specified with at most second precision", path)


def _classes(given: _Given, bounds: Limits) -> Iterator[Fault]:
    name = given["class"][0] if "class" in given else bounds.pod_autoscaler_class
    if "class" in given and name.endswith(".knative.dev") and name not in _METRICS:
        yield invalid(*given["class"])
    elif "metric" in given and (known := _METRICS.get(name)):
        metric, path = given["metric"]
        # HPA takes custom metrics too
        if not metric or (name == _KPA and metric not in known):
            yield invalid(metric, path)
    if "class" in given and name == _KPA and "metric-aggregation-algorithm" in given:
        value, path = given["metric-aggregation-algorithm"]
        if value not in ("", "linear", "weighted-exponential", "weightedExponential"):
            yield invalid(value, path)


def _whole_seconds(value: str, name: str, path: str) -> Iterator[Fault]:
    """What is said of a duration; nothing of one that is empty."""
    if not value:
        return
    try:
        length = duration.parse(value)
    except ValueError:
        yield invalid(value, path)
        return
    if length % duration.SECOND:
        yield Fault(f"{name}={value} is not at second precision", path)
    elif length < 0:
        yield Fault(f"{name}={value} must be positive", path)


def _int(text: str, bits: int) -> int | None:
    try:
        return go.integer(text, bits)
    except ValueError:
        return None


def _float(text: str) -> float | None:
    try:
        return go.number(text)
    except ValueError:
        return None
