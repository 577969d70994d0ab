"""Annotations and config-autoscaler to specs: every reference case, with upstream's error texts."""

from __future__ import annotations

import pytest

from knet.scaling import config, spec
from knet.scaling.decider import Specs, initial_excess, number_of_activators
from support import golden_names, golden_output, needs_golden

NAME = next(iter(golden_names("kpa/spec/inputs")), "")
CASES = golden_output(f"kpa/spec/inputs/{NAME}.json") if NAME else []


def result(case):
    try:
        settings = config.parse(case["config"]["config-autoscaler"])
    except ValueError as error:
        return {"config_error": str(error)}
    pa = case["pa"]
    made = spec.PodAutoscaler(pa["annotations"], pa["containerConcurrency"], pa["reachability"])
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
    assert result(CASES[index]) == golden_output(f"kpa/spec/outputs/{NAME}.json")[index]


@needs_golden
def test_number_of_activators():
    name = golden_names("kpa/activators/inputs")[0]
    for case, expected in zip(
        golden_output(f"kpa/activators/inputs/{name}.json"),
        golden_output(f"kpa/activators/outputs/{name}.json"),
        strict=True,
    ):
        got = number_of_activators(case["ready"], case["tbc"], case["total"], case["activator_capacity"])
        assert int(got) == expected, case
