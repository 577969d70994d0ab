"""Every tick of every reference trace: the same decision, floats included."""

from __future__ import annotations

import numpy as np
import pytest

from knet.scaling.simulate import run
from support import golden_names, golden_output, needs_golden

CASES = golden_names("kpa/traces/inputs")


@needs_golden
@pytest.mark.parametrize("case", CASES)
def test_trace(case):
    trace = golden_output(f"kpa/traces/inputs/{case}.json")
    expected = golden_output(f"kpa/traces/outputs/{case}.json")
    got = run(trace)
    assert got["specs"] == expected["specs"]
    assert got["initial_status"] == expected["initial_status"]
    for column, values in expected.items():
        if isinstance(values, list) and column not in ("specs", "initial_status"):
            assert got[column] == values, column
    assert len(np.unique(got["t_ms"])) == len(expected["t_ms"])
