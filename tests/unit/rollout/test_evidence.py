"""Evidence is what it says: its expectation is at most 1 while the canary is no worse, summed up exactly."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.rollout.evidence import Line, by_difference, by_odds, grown, interval, log_e, log_factor

RATE = st.floats(0.0, 1.0)


def expectation(nc: int, ns: int, theta_c: float, theta_s: float, pc: float, ps: float, line: Line) -> float:
    """Over every outcome of a window."""
    total = 0.0
    for xc in range(nc + 1):
        for xs in range(ns + 1):
            chance = comb(nc, xc) * theta_c**xc * (1 - theta_c) ** (nc - xc)
            chance *= comb(ns, xs) * theta_s**xs * (1 - theta_s) ** (ns - xs)
            made = log_factor((nc, xc), (ns, xs), np.array([pc]), np.array([ps]), line)
            total += chance * float(np.exp(made[0]))
    return total


@given(
    st.integers(0, 6), st.integers(0, 6), RATE, RATE, RATE, RATE,
    st.sampled_from([Line(), Line(0.05), Line(0.0, 1.5), Line(0.1, 0.0), Line(0.02, 1.2)]),
)  # fmt: skip
def test_its_expectation_is_at_most_one_while_the_canary_is_no_worse(nc, ns, pc, ps, theta_s, down, line):
    theta_c = min(1.0, (line.a + line.b * theta_s)) * down
    assert expectation(nc, ns, theta_c, theta_s, pc, ps, line) <= 1 + 1e-6


def test_at_the_border_it_is_one_nearly_and_beyond_it_grows():
    assert expectation(5, 5, 0.3, 0.3, 0.6, 0.2, Line()) <= 1
    assert expectation(5, 5, 0.6, 0.2, 0.6, 0.2, Line()) > 1.5


def test_without_requests_of_one_side_nothing_is_learnt():
    for line in (Line(), Line(0.05)):
        made = log_factor((50, 20), (0, 0), np.array([0.5]), np.array([0.1]), line)
        assert made[0] == pytest.approx(0, abs=1e-6)
        made = log_factor((0, 0), (50, 20), np.array([0.5]), np.array([0.1]), line)
        assert made[0] == pytest.approx(0, abs=1e-6)


def test_a_canary_that_breaks_late_is_found_almost_as_soon():
    rng = np.random.default_rng(3)

    def found_after(good: int) -> int:
        held = None
        for i in range(good + 200):
            rate = 0.001 if i < good else 0.03
            xc, xs = rng.binomial(100, rate), rng.binomial(900, 0.001)
            factor = log_factor((100, xc), (900, xs), *by_difference(0.001, Line(0.001)), Line(0.001))
            held = grown(held, factor, i)
            if float(log_e(held, i + 1)) > np.log(200):
                return i - good
        raise AssertionError("never found")

    assert found_after(0) <= 8
    assert 0 <= found_after(300) <= 12


def test_bets_add_up_to_what_is_put_aside_at_first():
    """With factors of 1 the evidence stays 1, however many windows come."""
    held = None
    for i in range(50):
        held = grown(held, np.zeros(3), i)
        assert float(log_e(held, i + 1)) == pytest.approx(0, abs=1e-9)


def test_alternatives_are_worse_than_the_hypothesis():
    line = Line(0.001)
    pc, ps = by_difference(np.array([0.0, 0.01, 0.5]), line)
    assert (pc > line.a + line.b * ps).all()
    assert pc.shape == ps.shape == (3, 9)
    pc, ps = by_odds(0.01)
    assert (pc > ps).all()


@pytest.mark.parametrize(("requests", "counted"), [(1, 0), (1, 1), (100, 0), (100, 3), (10_000, 5_000)])
def test_intervals_hold_the_rate_and_shrink(requests, counted):
    low, high = interval(requests, counted)
    assert 0 <= low <= counted / requests <= high <= 1
    wide = interval(requests, counted, 0.001)
    assert wide[0] <= low
    assert wide[1] >= high
    more = interval(requests * 100, counted * 100)
    assert more[1] - more[0] < high - low or counted in (0, requests)
    assert interval(0, 0) == (0.0, 1.0)


def test_intervals_cover_at_all_times_at_once():
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(300):
        seen = np.cumsum(rng.random(600) < 0.05)
        missed += any(
            not (b := interval(n, float(seen[n - 1]), 0.1))[0] <= 0.05 <= b[1] for n in range(10, 601, 10)
        )
    assert missed <= 30
