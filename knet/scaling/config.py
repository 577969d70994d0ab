"""`config-autoscaler`: defaults, parsing and validation with Knative's texts (facts 20, 21)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from knet.text import go
from knet.text.duration import SECOND

TARGET_MIN = 0.01
WINDOW_MIN, WINDOW_MAX = 6 * SECOND, 3600 * SECOND

KPA_CLASS = "kpa.autoscaling.knative.dev"


@dataclass(frozen=True, slots=True)
class Config:
    """The parsed ConfigMap. Durations are nanoseconds, fractions and rates plain numbers."""

    enable_scale_to_zero: bool = True
    allow_zero_initial_scale: bool = False
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    container_concurrency_target_percentage: float = 0.7
    container_concurrency_target_default: float = 100.0
    requests_per_second_target_default: float = 200.0
    target_burst_capacity: float = 211.0
    panic_window_percentage: float = 10.0
    activator_capacity: float = 100.0
    panic_threshold_percentage: float = 200.0
    initial_scale: int = 1
    min_scale: int = 0
    max_scale: int = 0
    max_scale_limit: int = 0
    stable_window: int = 60 * SECOND
    scale_down_delay: int = 0
    scale_to_zero_grace_period: int = 30 * SECOND
    scale_to_zero_pod_retention_period: int = 0
    pod_autoscaler_class: str = KPA_CLASS


_DURATIONS = frozenset(
    {"stable_window", "scale_down_delay", "scale_to_zero_grace_period", "scale_to_zero_pod_retention_period"}
)

_FINITE = frozenset(
    {"container_concurrency_target_default", "requests_per_second_target_default", "target_burst_capacity"}
)
"""Numbers of requests. The others are factors and shares, and may be without bounds."""


def _parser(name: str, kind: str) -> Callable[[str], Any]:
    if name in _DURATIONS:
        return go.duration
    parsers: dict[str, Callable[[str], Any]] = {
        "bool": go.boolean, "float": go.number, "int": go.integer, "str": str,
    }  # fmt: skip
    return parsers[kind]


def parse(data: Mapping[str, str]) -> Config:
    """The config of a ConfigMap's data; unknown keys are ignored. Raises ValueError with Knative's text."""
    found: dict[str, Any] = {}
    for field in fields(Config):
        key = field.name.replace("_", "-")
        if key in data:
            try:
                found[field.name] = _parser(field.name, str(field.type))(data[key])
            except ValueError as error:
                raise ValueError(f'failed to parse data: failed to parse "{key}": {error}') from None
    for name, value in found.items():
        if isinstance(value, float) and (math.isnan(value) or (math.isinf(value) and name in _FINITE)):
            raise ValueError(f"{name.replace('_', '-')} = {go.format_number(value)}, must be a number")
    config = replace(Config(), **found)
    if config.container_concurrency_target_percentage > 1:
        percentage = config.container_concurrency_target_percentage / 100
        config = replace(config, container_concurrency_target_percentage=percentage)
    problem = next((text for bad, text in _rules(config) if bad), "")
    if problem:
        raise ValueError(problem)
    return config


def _rules(c: Config) -> list[tuple[bool, str]]:
    """(broken, what is said) in the order in which Knative looks."""
    duration, number = go.format_duration, go.format_number
    fraction = c.container_concurrency_target_percentage
    target = fraction * c.container_concurrency_target_default
    least = 1 if c.max_scale_limit > 0 else 0
    window = f"stable-window = {duration(c.stable_window)}"
    delay = duration(c.scale_down_delay)
    return [
        (
            c.scale_to_zero_grace_period <= 0,
            f"scale-to-zero-grace-period must be positive, was: {duration(c.scale_to_zero_grace_period)}",
        ),
        (c.scale_down_delay < 0, f"scale-down-delay cannot be negative, was: {delay}"),
        (
            c.scale_down_delay % SECOND != 0,
            f"scale-down-delay = {delay}, must be specified with at most second precision",
        ),
        (
            c.scale_to_zero_pod_retention_period < 0,
            "scale-to-zero-pod-retention-period cannot be negative, was: "
            + duration(c.scale_to_zero_pod_retention_period),
        ),
        (
            c.target_burst_capacity < 0 and c.target_burst_capacity != -1,
            (
                "target-burst-capacity must be either non-negative or -1 (for unlimited), "
                f"was: {go.format_fixed(c.target_burst_capacity)}"
            ),
        ),
        (
            not 0 < fraction <= 1,
            (
                f"container-concurrency-target-percentage = {go.format_fixed(fraction)} "
                "is outside of valid range of (0, 100]"
            ),
        ),
        (
            target < TARGET_MIN,
            (
                "container-concurrency-target-percentage and container-concurrency-target-default "
                f"yield target concurrency of {number(target)}, can't be less than {TARGET_MIN}"
            ),
        ),
        (
            c.requests_per_second_target_default < TARGET_MIN,
            (
                f"requests-per-second-target-default must be at least {TARGET_MIN}, "
                f"was: {number(c.requests_per_second_target_default)}"
            ),
        ),
        (
            c.activator_capacity < 1,
            f"activator-capacity = {number(c.activator_capacity)}, must be at least 1",
        ),
        (
            c.max_scale_up_rate <= 1,
            f"max-scale-up-rate = {number(c.max_scale_up_rate)}, must be greater than 1.0",
        ),
        (
            c.max_scale_down_rate <= 1,
            f"max-scale-down-rate = {number(c.max_scale_down_rate)}, must be greater than 1.0",
        ),
        (
            not WINDOW_MIN <= c.stable_window <= WINDOW_MAX,
            f"{window}, must be in [{duration(WINDOW_MIN)}; {duration(WINDOW_MAX)}] range",
        ),
        (c.stable_window % SECOND != 0, f"{window}, must be specified with at most second precision"),
        (
            not 1 <= c.panic_window_percentage <= 100,
            f"panic-window-percentage = {number(c.panic_window_percentage)}, must be in [1, 100] interval",
        ),
        (
            c.initial_scale < 0 or (c.initial_scale == 0 and not c.allow_zero_initial_scale),
            (
                f"initial-scale = {c.initial_scale}, must be at least 0 "
                "(or at least 1 when allow-zero-initial-scale is false)"
            ),
        ),
        (c.min_scale < 0, f"min-scale = {c.min_scale}, must be at least 0"),
        (
            c.max_scale < least or (0 < c.max_scale_limit < c.max_scale),
            f"max-scale = {c.max_scale}, must be in [{least}, max-scale-limit({c.max_scale_limit})] range",
        ),
        (c.max_scale_limit < 0, f"max-scale-limit = {c.max_scale_limit}, must be at least 0"),
        (
            0 < c.max_scale < c.min_scale,
            f"min-scale ({c.min_scale}) must be less than max-scale ({c.max_scale})",
        ),
    ]
