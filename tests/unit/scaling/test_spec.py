"""Annotations and config-autoscaler to specs: every reference case, with upstream's error texts."""

from __future__ import annotations

import pytest

from knet.scaling import config, spec
from knet.scaling.decider import Specs, initial_excess, number_of_activators
from knet.serving import config_maps
from support import golden_pairs, needs_golden

CASES = golden_pairs("kpa/spec")


def result(case):
    try:
        settings = config.parse((case.get("config") or {}).get("config-autoscaler") or {})
    except ValueError as error:
        return {"config_error": str(error)}
    pa = case["pa"]
    made = spec.PodAutoscaler(pa["annotations"] or {}, pa["containerConcurrency"], pa["reachability"])
    decider = spec.make_spec(made, settings, "rev-private")
    least, most = spec.bounds(made, settings)
    return {
        "spec": decider.as_dict(),
        "min": least,
        "max": most,
        "retention_ms": spec.retention(made, settings) // 10**6,
        "initial_status": [-1, int(initial_excess(Specs.of(decider))[0])],
    }


@needs_golden
@pytest.mark.parametrize("index", range(len(CASES)))
def test_spec(index):
    case, expected = CASES[index]
    assert result(case) == expected


@needs_golden
def test_number_of_activators():
    for case, expected in golden_pairs("kpa/activators"):
        got = number_of_activators(case["ready"], case["tbc"], case["total"], case["activator_capacity"])
        assert int(got) == expected, case


def of(cc=0, config_data=(), **notes):
    annotations = {spec.PREFIX + name.replace("_", "-"): value for name, value in notes.items()}
    settings = config.parse(dict(config_data))
    return spec.make_spec(spec.PodAutoscaler(annotations, cc), settings, "rev-private")


def test_requests_in_flight_limit_the_target_of_requests_in_flight_alone():
    targets = {m: of(10, metric=m, target="50").total_value for m in ("concurrency", "rps", "cpu", "")}
    assert targets == {"concurrency": 10, "rps": 50, "cpu": 50, "": 50}
    assert of(10, metric="cpu").total_value == 10
    assert of(10, target="50").total_value == 10
    assert of(0, target="50").total_value == 50


@pytest.mark.parametrize(
    ("window", "percentage", "seconds"),
    [
        ("6s", "1", 1), ("7s", "50", 4), ("60s", "2.5", 2), ("60s", "2.4999", 1), ("1h", "100", 3600),
        ("6s", "25", 2), ("10s", "14.999999999999999", 1), ("30s", "35", 11),
    ],
)  # fmt: skip
def test_panic_windows_are_whole_seconds(window, percentage, seconds):
    made = of(window=window, panic_window_percentage=percentage)
    assert made.metric_panic_window_ms == seconds * 1000


@pytest.mark.parametrize("text", ["NaN", "Inf", "-inf", "x", "1e400"])
def test_what_is_no_number_does_not_count(text):
    names = (
        "target", "target_utilization_percentage", "target_burst_capacity", "panic_window_percentage",
        "panic_threshold_percentage",
    )  # fmt: skip
    assert of(**dict.fromkeys(names, text)) == of()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"min-scale": "2", "max-scale": "1"}, "min-scale (2) must be less than max-scale (1)"),
        ({"min-scale": "2", "max-scale": "2"}, ""),
        ({"min-scale": "2", "max-scale": "0"}, ""),
        ({"min-scale": "-1", "max-scale-limit": "-1"}, "min-scale = -1, must be at least 0"),
        ({"min-scale": "-1", "max-scale": "-1"}, "min-scale = -1, must be at least 0"),
        ({"max-scale": "-1", "max-scale-limit": "-1"}, "max-scale = -1, must be in [0, max-scale-limit(-1)] range"),
        ({"max-scale": "5", "max-scale-limit": "3"}, "max-scale = 5, must be in [1, max-scale-limit(3)] range"),
        (
            {"max-scale": "5", "max-scale-limit": "3", "min-scale": "9"},
            "max-scale = 5, must be in [1, max-scale-limit(3)] range",
        ),
        ({"min-scale": "4", "max-scale": "3", "max-scale-limit": "3"}, "min-scale (4) must be less than max-scale (3)"),
        (
            {"initial-scale": "-1", "min-scale": "-1"},
            "initial-scale = -1, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)",
        ),
        ({"max-scale-up-rate": "Inf", "max-scale-down-rate": "inf", "activator-capacity": "Inf"}, ""),
        ({"max-scale-up-rate": "-Inf"}, "max-scale-up-rate = -Inf, must be greater than 1.0"),
        ({"activator-capacity": "-1000000"}, "activator-capacity = -1e+06, must be at least 1"),
        ({"panic-window-percentage": "Inf"}, "panic-window-percentage = +Inf, must be in [1, 100] interval"),
        ({"max-scale-up-rate": "NaN"}, "max-scale-up-rate = NaN, must be a number"),
        ({"target-burst-capacity": "-Inf"}, "target-burst-capacity = -Inf, must be a number"),
        ({"container-concurrency-target-default": "Inf"}, "container-concurrency-target-default = +Inf, must be a number"),
        ({"requests-per-second-target-default": "Inf"}, "requests-per-second-target-default = +Inf, must be a number"),
        (
            {"container-concurrency-target-percentage": "-5"},
            "container-concurrency-target-percentage = -5.000000 is outside of valid range of (0, 100]",
        ),
        ({"stable-window": "7500ms"}, "stable-window = 7.5s, must be specified with at most second precision"),
        ({"scale-to-zero-grace-period": "-1m"}, "scale-to-zero-grace-period must be positive, was: -1m0s"),
        (
            {"stable-window": "5d"},
            'failed to parse data: failed to parse "stable-window": time: unknown unit "d" in duration "5d"',
        ),
        (
            {"max-scale": "3000000000"},
            'failed to parse data: failed to parse "max-scale": strconv.ParseInt: parsing "3000000000": value out of range',
        ),
    ],
)  # fmt: skip
def test_config(data, words):
    assert config_maps.problem("config-autoscaler", data) == words


def test_numbers_beyond_an_int32_are_its_largest():
    huge = of(target="1e300", target_utilization_percentage="100")
    assert int(number_of_activators(3, 0.5, huge.total_value, 100)) == 2**31 - 1
    assert int(initial_excess(Specs.of(huge))[0]) == 2**31 - 1
    assert int(initial_excess(Specs.of(of(target_burst_capacity="1e300")))[0]) == -(2**31)
