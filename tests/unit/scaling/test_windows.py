"""What averages say at the edges."""

from __future__ import annotations

import math

import numpy as np

from knet.scaling.windows import CONCURRENCY, Windows


def test_no_average_is_a_negative_zero():
    """What is left of a running sum may be a little less than nothing; it is shown to people."""
    windows = Windows(1, 6)
    row, series = np.array([0]), np.array([CONCURRENCY])
    for second, value in enumerate((0.7, 0.1, -0.8)):
        windows.record(second, row, np.array([[value], [0.0]]))
    (average,) = windows.average(2, series)
    assert windows.total[CONCURRENCY, 0] < 0
    assert math.copysign(1, average) == 1
