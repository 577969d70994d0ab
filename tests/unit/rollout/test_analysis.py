"""The verdict over a rollout's windows, and histograms of any make."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.rollout import analysis
from knet.rollout.analysis import Analysis, judge, observe
from knet.rollout.counts import Counts, Window, total
from knet.rollout.criteria import Criteria, Outcome
from knet.rollout.histogram import Histogram, histogram

CRITERIA = Criteria()
RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def same_numbers():
    """Whatever tests ran before, and whichever process runs this one."""
    RNG.bit_generator.state = np.random.default_rng(11).bit_generator.state


def latencies(count: int, slow: float = 1.0) -> Histogram:
    """Lognormal around 20 ms, in bins of two digits as Envoy has them."""
    found = 20 * slow * np.exp(0.5 * RNG.standard_normal(count))
    unit = 10.0 ** (np.floor(np.log10(found)) - 1)
    lows, counts = np.unique(np.round(np.floor(found / unit) * unit, 6), return_counts=True)
    return histogram(
        (float(low), float(low + 10 ** (math.floor(math.log10(low + 1e-9)) - 1)), float(n))
        for low, n in zip(lows, counts, strict=True)
    )


def window(canary: int, stable: int, errors: float = 0.0, base: float = 0.0, slow: float = 1.0) -> Window:
    return Window(
        Counts(stable, RNG.binomial(stable, base), latencies(stable)),
        Counts(canary, RNG.binomial(canary, errors), latencies(canary, slow)),
    )


def after(windows: int, **given: float) -> tuple[Analysis, int]:
    """The analysis after so many windows, or when it failed; and the window in which it did (-1: never)."""
    made = Analysis()
    for i in range(windows):
        made = observe(made, window(100, 900, **given), CRITERIA)
        if judge(made, CRITERIA).outcome is Outcome.FAIL:
            return made, i
    return made, -1


def test_a_canary_as_good_passes_once_both_have_had_enough():
    made = observe(Analysis(), window(40, 900, 0.001, 0.001), CRITERIA)
    found = judge(made, CRITERIA)
    assert (found.outcome, found.reason) == (Outcome.WAIT, "FewRequests")
    assert "canary revision has had 40 of 100" in found.message
    made, failed = after(30, errors=0.001, base=0.001)
    assert failed == -1
    assert judge(made, CRITERIA).outcome is Outcome.PASS


def test_one_that_fails_more_is_called_so_with_both_rates():
    made, failed = after(30, errors=0.05, base=0.001)
    assert 0 <= failed <= 3
    found = judge(made, CRITERIA)
    assert found.reason == "ErrorRate"
    assert "of the canary's requests fail" in found.message


def test_a_slow_one_is_called_slow_with_its_percentile():
    made, failed = after(40, slow=1.5)
    assert 1 <= failed <= 6
    found = judge(made, CRITERIA)
    assert found.reason == "Latency"
    assert "ms, the stable revision's" in found.message


def milliseconds(count: int, mean: float) -> Histogram:
    """Latencies that fall off from nothing, in whole milliseconds as Envoy counts them: no bound below 1.0 but 0."""
    lows, counts = np.unique(np.floor(RNG.exponential(mean, count)), return_counts=True)
    return histogram(
        (low, low if low == 0 else low + 10 ** (math.floor(math.log10(low)) - 1), float(n))
        for low, n in zip(lows.tolist(), counts.tolist(), strict=True)
    )


@pytest.mark.parametrize("mean", [0.05, 0.3, 0.9, 1.5, 4.0, 12.0])
@pytest.mark.parametrize("slow", [1.0, 1.1])
def test_a_fast_canary_is_not_slow_because_milliseconds_are_whole(mean, slow):
    for _ in range(2):
        made = Analysis()
        for _ in range(25):
            stable, canary = milliseconds(900, mean), milliseconds(100, mean * slow)
            made = observe(made, Window(Counts(900, 0, stable), Counts(100, 0, canary)), CRITERIA)
        assert judge(made, CRITERIA).outcome is Outcome.PASS, analysis.evidence(made)


def test_a_slow_one_is_found_where_the_stable_one_takes_no_millisecond():
    made = Analysis()
    for _ in range(10):
        stable, canary = milliseconds(900, 0.3), milliseconds(100, 5)
        made = observe(made, Window(Counts(900, 0, stable), Counts(100, 0, canary)), CRITERIA)
    assert judge(made, CRITERIA).reason == "Latency"


def test_both_bad_alike_is_no_fault_of_the_canary():
    made = Analysis()
    for rate in (0.001, 0.3, 0.6, 0.05):  # an outage of what both depend on
        for _ in range(10):
            made = observe(made, window(100, 900, rate, rate), CRITERIA)
    assert judge(made, CRITERIA).outcome is Outcome.PASS


def test_few_requests_are_never_a_pass_and_a_step_begins_anew():
    made, _ = after(5)
    assert judge(made, CRITERIA).outcome is Outcome.PASS
    assert judge(made.next_step(), CRITERIA).outcome is Outcome.WAIT
    assert judge(Analysis(), CRITERIA).outcome is Outcome.WAIT
    lonely = observe(Analysis(), Window(Counts(), Counts(500, 0)), CRITERIA)
    assert "stable revision has had 0 of 100" in judge(lonely, CRITERIA).message


def test_what_is_not_asked_for_is_not_judged():
    blind = Criteria(errors=None, latency=1.1)
    made = Analysis()
    for _ in range(5):
        made = observe(made, window(100, 900, errors=0.5), blind)
    assert judge(made, blind).outcome is Outcome.PASS
    assert made.errors == ()


def test_it_is_the_same_after_being_kept_as_json():
    made, _ = after(4, errors=0.01, base=0.001)
    again = analysis.load(json.loads(json.dumps(analysis.dump(made))))
    following = window(100, 900, 0.01)
    for one, other in zip(
        observe(made, following, CRITERIA).errors, observe(again, following, CRITERIA).errors, strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4)
    assert analysis.load({}) == Analysis()


def test_bounds_of_coarse_histograms_err_for_the_canary():
    coarse = histogram([(0, 100, 10), (100, 250, 5), (250, math.inf, 1)])
    assert coarse.surely_above(110) == 1  # those of 100 to 250 may have been 105
    assert coarse.maybe_above(110) == 6
    assert coarse.surely_above(100) == coarse.maybe_above(100) == 6
    assert coarse.percentile(0.5) == 100
    assert coarse.percentile(0.99) == 250
    assert coarse.quantile(0.5) == pytest.approx(80)
    assert Histogram().percentile(0.5) == 0


def test_intervals_of_percentiles_hold_them_and_shrink():
    small, large = latencies(100), latencies(10_000)
    for q in (0.5, 0.99):
        for one in (small, large):
            low, high = one.bounds(q)
            assert low <= one.quantile(q) <= high
        assert large.bounds(q)[1] - large.bounds(q)[0] < small.bounds(q)[1] - small.bounds(q)[0]
    assert Histogram().bounds(0.5) == (0.0, 0.0)


BINS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=12)


@given(BINS, BINS)
def test_what_was_added_is_what_is_left_of_the_sum(one, other):
    first = histogram((low, low + 1, n) for low, n in dict(one).items())
    second = histogram((low, low + 1, n) for low, n in dict(other).items())
    assert first.plus(second).minus(first) == second
    assert first.plus(second).total == first.total + second.total
    if second.total:
        assert first.minus(first.plus(second)) is None


def test_counters_that_began_anew_are_seen():
    before, now = Counts(100, 3), Counts(20, 0)
    assert now.minus(before) is None
    assert Counts(150, 4).minus(before) == Counts(50, 1)
    assert total([before, now]) == Counts(120, 3)
