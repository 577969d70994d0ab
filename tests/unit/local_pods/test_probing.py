"""When probes look and what their results mean."""

from __future__ import annotations

import itertools

from knet.local.pods.probing import Course, Rules, after, first

READY = Rules.of("readiness", {"tcpSocket": {}})


def course(rules, results, step=None):
    """The course after results, each at the time that the rules ask for (or every `step` seconds)."""
    now, found, times = first(rules), Course(), []
    for passed in results:
        times.append(now)
        found, pause = after(rules, found, passed, now)
        now += step or pause
    return found, times


def test_defaults_are_kubernetes():
    rules = Rules.of("liveness", {"exec": {}})
    assert (rules.delay, rules.period, rules.timeout, rules.successes, rules.failures) == (0, 10, 1, 1, 3)


def test_the_first_looks_come_quickly_and_less_often_with_time():
    _, times = course(READY, [False] * 40)
    assert times[0] < 0.05
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert all(gap <= max(0.05, 0.5 * t) for gap, t in zip(gaps, times, strict=False))
    assert gaps[-1] == READY.period


def test_an_initial_delay_is_kept():
    assert first(Rules.of("readiness", {"initialDelaySeconds": 5, "tcpSocket": {}})) >= 5


def test_ready_with_the_first_answer():
    found, _ = course(READY, [False, False, True])
    assert found.passing is True


def test_unready_after_as_many_failures_as_the_threshold_says():
    assert course(READY, [True, False, False])[0].passing is True
    assert course(READY, [True, False, False, False])[0].passing is False
    assert course(READY, [True, False, False, True, False])[0].passing is True


def test_looking_often_does_not_use_up_a_startup_probe():
    rules = Rules.of("startup", {"tcpSocket": {}, "periodSeconds": 1, "failureThreshold": 3})
    found, now, pause = Course(), 0.0, first(rules)
    while found.passing is None:
        now += pause
        found, pause = after(rules, found, False, now)
    assert found.passing is False
    assert 3.0 <= now < 6.0


def test_several_successes_are_a_period_apart():
    rules = Rules.of("readiness", {"tcpSocket": {}, "successThreshold": 2, "periodSeconds": 3})
    found, times = course(rules, [True, True])
    assert found.passing is True
    assert times[1] - times[0] == 3


def test_a_liveness_probe_looks_once_in_a_period():
    _, times = course(Rules.of("liveness", {"tcpSocket": {}, "periodSeconds": 2}), [False] * 3)
    assert times == [0, 2, 4]
