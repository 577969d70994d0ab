"""What averages say at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from knet.scaling.windows import CONCURRENCY, Windows


@pytest.mark.parametrize(
    ("seconds", "coefficient"),
    [
        (1, 0.9999), (2, 0.99), (6, 0.7845565309968116), (24, 0.31870793094203875), (35, 0.231375389960226),
        (41, 0.20119821919842973), (42, 0.2), (3600, 0.2),
    ],
)  # fmt: skip
def test_weights_are_gos_to_the_last_bit(seconds, coefficient):
    assert Windows(1, seconds).coefficient == coefficient


def test_weights_of_all_lengths_are_what_they_stand_for():
    for seconds in range(1, 60):
        made = Windows(1, seconds).coefficient
        assert made == pytest.approx(max(1 - 0.0001 ** (1 / seconds), 0.2), rel=1e-14)


def test_a_window_made_longer_after_silence_begins_with_the_next_second_that_is_written():
    """Upstream keeps the time of the last write alone, and a late report of that second begins nothing."""
    row, series = np.array([0]), np.array([CONCURRENCY])
    short, long = Windows(1, 1), Windows(1, 6)
    short.record(10, row, np.array([[8.0], [0.0]]))
    long.put(0, short.take(0).resized(6, 12))
    long.record(10, row, np.array([[6.0], [0.0]]))
    assert long.average(13, series).tolist() == [2.0]  # over what is left of the window
    long.record(14, row, np.array([[6.0], [0.0]]))
    assert long.average(14, series).tolist() == [12.0]


def test_no_average_is_a_negative_zero():
    """What is left of a running sum may be a little less than nothing; it is shown to people."""
    windows = Windows(1, 6)
    row, series = np.array([0]), np.array([CONCURRENCY])
    for second, value in enumerate((0.7, 0.1, -0.8)):
        windows.record(second, row, np.array([[value], [0.0]]))
    (average,) = windows.average(2, series)
    assert windows.total[CONCURRENCY, 0] < 0
    assert math.copysign(1, average) == 1
