"""From counters to averages: against concurrency that is summed up by hand."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from knet.dataplane.queue_stats import Count, Sample, average, sample, stat, text
from knet.scaling.stat import Stat

NOW = 1_790_000_000_000_000
"""Microseconds since 1970, as Envoy's loggers sum them up."""

requests = st.lists(
    st.tuples(st.integers(0, 5_000_000), st.integers(0, 5_000_000)).map(lambda r: (r[0], r[0] + r[1])),
    max_size=40,
)


def counted(work, now: int) -> Count:
    """What the counters say at a moment (relative microseconds)."""
    came = [b for b, _ in work if b <= now]
    went = [e for _, e in work if e <= now]
    begin = sum(NOW + b for b in came) % 2**64
    end = sum(NOW + e for e in went) % 2**64
    return Count(len(came), begin, len(went), end)


def truth(work, start: int, end: int) -> float:
    return sum(max(0, min(e, end) - max(b, start)) for b, e in work) / (end - start)


@given(requests, st.integers(0, 6_000_000), st.integers(1_000, 3_000_000))
def test_the_average_is_exact(work, start, length):
    end = start + length
    found = average(counted(work, start), counted(work, end), NOW + start, NOW + end)
    assert found is not None
    assert abs(found - truth(work, start, end)) < 1e-6


@given(requests.filter(bool), st.integers(0, 6_000_000), st.booleans())
def test_counters_that_were_read_while_they_changed_are_noticed(work, start, which):
    end = start + 1_000_000
    before, after = counted(work, start), counted(work, end)
    torn = (
        Count(after.came + 1, after.came_at, after.went, after.went_at)
        if which
        else Count(after.came + 1, after.came_at, after.went + 1, after.went_at + NOW + end)
    )
    assert average(before, torn, NOW + start, NOW + end) is None


def test_sums_that_have_run_over():
    before = Count(1, 2**64 - 5, 1, 2**64 - 5)
    after = Count(2, (before.came_at + NOW) % 2**64, 1, before.went_at)
    assert average(before, after, NOW, NOW + 1_000_000) == 1.0


def test_a_report_of_a_second():
    work = [(0, 500_000), (100_000, 1_100_000), (1_200_000, 9_000_000)]
    first, second, third = (Sample(NOW + at, counted(work, at)) for at in (0, 1_000_000, 2_000_000))
    made = [stat(a, b, "p", 7.0) for a, b in pairwise((first, second, third))]
    assert made == [Stat("p", 1.4, 0, 1, 0, 7), Stat("p", 0.9, 0, 1, 0, 7)]
    assert stat(second, first, "p", 7.0) is None
    assert stat(third, Sample(NOW + 3_000_000), "p", 7.0) is None, "another Envoy counts anew"


def test_envoys_text():
    text = "kq.all.came.n: 3\nkq.all.came.t: 60\nkq.all.went.n: 1\nother: 7\nkq.proxied.came.n: x\n"
    assert sample(text, 5) == Sample(5, Count(3, 60, 1, 0), Count())


def test_prometheus_text():
    lines = text(Stat("p", 1.5, 0.5, 2, 1, 9), "ns", "c", "r").splitlines()
    labels = '{destination_namespace="ns",destination_configuration="c",destination_revision="r",destination_pod="p"}'
    assert lines[1] == f"queue_average_concurrent_requests{labels} 1.5"
    assert lines[-1] == f"process_uptime{labels} 9"
