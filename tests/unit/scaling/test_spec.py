"""Annotations and config-autoscaler to specs: every reference case, with upstream's error texts."""

from __future__ import annotations

import pytest

from knet.scaling import config, spec
from knet.scaling.decider import Specs, initial_excess, number_of_activators
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
