"""PodAutoscaler annotations and config-autoscaler to what a decider is told (facts 20 to 22)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from knet.model.digits import whole
from knet.scaling.config import TARGET_MIN, Config
from knet.text import go
from knet.text.duration import SECOND

PREFIX = "autoscaling.knative.dev/"
RPS_UTILISATION = 0.7
"""Fixed upstream: no config key (fact 20)."""

CONCURRENCY = "concurrency"
EXPONENTIAL = "weighted-exponential"
ALGORITHM_ALIASES = {"weightedExponential": EXPONENTIAL}
NO_ALIAS = frozenset({"activation-scale"})
"""Annotations that came after the camelCase spelling had gone."""


CANARY_MIN_SCALE = "knet.dev/canary-min-scale"
"""Annotation of a PodAutoscaler: pods that a rollout wants for the share that comes next (docs/canary.md)."""


@dataclass(frozen=True, slots=True)
class PodAutoscaler:
    """What the KPA reads of one: `reachability` is "", Reachable, Unreachable or Unknown."""

    annotations: Mapping[str, str]
    container_concurrency: int = 0
    reachability: str = ""

    @property
    def reachable(self) -> bool:
        return self.reachability != "Unreachable"

    def value(self, name: str) -> str | None:
        """An annotation by its kebab-case name; the camelCase alias counts only without it (fact 21)."""
        kebab = self.annotations.get(PREFIX + name)
        if kebab is not None or name in NO_ALIAS:
            return kebab
        return self.annotations.get(PREFIX + _camel(name))


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


def _read(pa: PodAutoscaler, name: str, parse: Callable[[str], Any]) -> Any:
    """A parsed annotation; None where it is absent or cannot be parsed (fact 21: silently)."""
    text = pa.value(name)
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError:
        return None


def _finite(text: str) -> float:
    """A number that one can divide by and count with."""
    value = go.number(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


@dataclass(frozen=True, slots=True)
class Spec:
    """DeciderSpec and MetricSpec of one revision; `*_ms` are milliseconds."""

    max_scale_up_rate: float
    max_scale_down_rate: float
    scaling_metric: str
    target_value: float
    total_value: float
    target_burst_capacity: float
    activator_capacity: float
    panic_threshold: float
    stable_window_ms: int
    scale_down_delay_ms: int
    initial_scale: int
    reachable: bool
    activation_scale: int
    metric_stable_window_ms: int
    metric_panic_window_ms: int
    scrape_target: str
    aggregation: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_spec(pa: PodAutoscaler, config: Config, service: str) -> Spec:
    """The spec of a PodAutoscaler; `service` is its metrics Service (scraped unless TBC is -1, fact 9)."""
    metric = pa.value("metric")
    metric = CONCURRENCY if metric is None else metric
    target, total = targets(pa, config, metric)
    tbc, stable = tbc_of(pa, config), window_of(pa, config)
    share = _or(_read(pa, "panic-window-percentage", _finite), config.panic_window_percentage)
    threshold = _or(_read(pa, "panic-threshold-percentage", _finite), config.panic_threshold_percentage)
    delay = _or(_read(pa, "scale-down-delay", go.duration), config.scale_down_delay)
    algorithm = pa.value("metric-aggregation-algorithm") or ""
    return Spec(
        config.max_scale_up_rate,
        config.max_scale_down_rate,
        metric,
        target,
        total,
        tbc,
        config.activator_capacity,
        threshold / 100,
        stable // 10**6,
        delay // 10**6,
        initial_scale(pa, config),
        pa.reachable,
        _or(_read(pa, "activation-scale", go.integer), 0),
        stable // 10**6,
        panic_window(stable, share) // 10**6,
        "" if tbc == -1 else service,
        ALGORITHM_ALIASES.get(algorithm, algorithm),
    )


def tbc_of(pa: PodAutoscaler, config: Config) -> float:
    """Target burst capacity; -1 keeps the activator in the path always."""
    value: float = _or(_read(pa, "target-burst-capacity", _finite), config.target_burst_capacity)
    return value


def window_of(pa: PodAutoscaler, config: Config) -> int:
    """The stable window in ns."""
    value: int = _or(_read(pa, "window", go.duration), config.stable_window)
    return value


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def targets(pa: PodAutoscaler, config: Config, metric: str) -> tuple[float, float]:
    """(value per pod to aim at, value at 100 %) of the metric (fact 20)."""
    wanted = _read(pa, "target", _finite)
    if metric == "rps":
        utilisation, total = RPS_UTILISATION, config.requests_per_second_target_default
        total = _or(wanted, total)
    else:
        utilisation = config.container_concurrency_target_percentage
        total = float(pa.container_concurrency) or config.container_concurrency_target_default
        if wanted is not None:
            # what is scaled by something else than requests in flight is not limited by these
            limit = float(pa.container_concurrency) if metric == CONCURRENCY else 0.0
            total = min(wanted, limit or wanted)
    percentage = _read(pa, "target-utilization-percentage", _finite)
    if percentage is not None:
        utilisation = percentage / 100
    return max(TARGET_MIN, total * utilisation), total


def panic_window(stable: int, percentage: float) -> int:
    """The panic window in ns: whole seconds, half away from zero, at least one (fact 10)."""
    exact = int(stable * percentage / 100)
    return max(SECOND, (exact + SECOND // 2) // SECOND * SECOND)


def initial_scale(pa: PodAutoscaler, config: Config) -> int:
    """Pods to start with; annotation 0 counts only where zero is allowed (fact 22)."""
    wanted = _read(pa, "initial-scale", go.integer)
    if wanted is None or (wanted == 0 and not config.allow_zero_initial_scale):
        return config.initial_scale
    scale: int = wanted
    return scale


def bounds(pa: PodAutoscaler, config: Config) -> tuple[int, int]:
    """(min, max) pods, 0 for none; no minimum while unreachable (fact 22).

    A canary's share is a minimum too; it does not touch the one that its owner has written.
    """
    least = _or(_read(pa, "min-scale", go.integer), config.min_scale) if pa.reachable else 0
    held = pa.annotations.get(CANARY_MIN_SCALE, "") if pa.reachable else ""
    least = max(least, whole(held) or 0)
    return least, _or(_read(pa, "max-scale", go.integer), config.max_scale)


def retention(pa: PodAutoscaler, config: Config) -> int:
    """How long the last pod is kept, in ns; none while unreachable (fact 26)."""
    if not pa.reachable:
        return 0
    wanted = _read(pa, "scale-to-zero-pod-retention-period", go.duration)
    kept: int = _or(wanted, config.scale_to_zero_pod_retention_period)
    return kept
