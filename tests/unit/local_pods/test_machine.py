"""What is done about a pod: order of init containers, restarts, termination, as kubelet does it."""

from __future__ import annotations

import pytest

from knet.local.pods.machine import Backoff, Problem, Seen, decide, outcome
from unit.local_pods.pods import box, deleted, finished, pod, running

B = Backoff()
SIDECAR = {"restartPolicy": "Always"}


def starts(of, seen, now=1000.0):
    return decide(of, seen, now, B).start


def stops(of, seen, now=1000.0):
    return [(s.name, s.grace) for s in decide(of, seen, now, B).stop]


def test_main_containers_start_together():
    assert starts(pod(box("a"), box("b")), {}) == ("a", "b")


def test_init_containers_run_one_after_the_other():
    of = pod(box(), init=[box("i1"), box("i2")])
    assert starts(of, {}) == ("i1",)
    assert starts(of, {"i1": running()}) == ()
    assert starts(of, {"i1": finished()}) == ("i2",)
    assert starts(of, {"i1": finished(), "i2": finished()}) == ("main",)


def test_a_sidecar_holds_the_others_until_it_is_up():
    of = pod(box(), init=[box("s", **SIDECAR), box("i")])
    assert starts(of, {}) == ("s",)
    assert starts(of, {"s": running(up=False)}) == ()
    assert starts(of, {"s": running()}) == ("i",)
    assert starts(of, {"s": running(), "i": finished()}) == ("main",)


def test_once_the_main_containers_have_begun_init_containers_are_history():
    of = pod(box("a"), box("b"), init=[box("i"), box("s", **SIDECAR)])
    assert starts(of, {"a": running(), "b": finished(1), "s": finished(1)}) == ("s", "b")


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_restart_policies(policy, code, again):
    assert bool(starts(pod(restartPolicy=policy), {"main": finished(code)})) is again


@pytest.mark.parametrize(("ends", "pause"), [(1, 0), (2, 10), (3, 20), (6, 160), (7, 300), (500, 300)])
def test_the_pause_doubles(ends, pause):
    seen = {"main": finished(1, ends=ends, at=1000.0)}
    assert B.pause(ends) == pause
    assert starts(pod(), seen, 1000.0 + pause) == ("main",)
    if pause:
        plan = decide(pod(), seen, 999.0 + pause, B)
        assert (plan.start, plan.wake) == ((), 1000.0 + pause)


def test_a_long_run_clears_the_count():
    one = Seen(run="r", started=0.0, ends=6)
    assert one.over(finished(1, at=60.0).ended, B).ends == 7
    assert one.over(finished(1, at=100.0 + B.reset).ended, B).ends == 1


def test_runs_are_counted_and_the_last_one_is_kept():
    [main] = pod()["spec"]["containers"]
    of = type("C", (), {"probe": lambda self, kind: main.get(f"{kind}Probe")})()
    first = Seen().begun("1", 10.0, of)
    assert (first.restarts, first.previous, first.ready) == (0, None, True)
    second = first.over(finished(3).ended, B).begun("2", 20.0, of)
    assert (second.restarts, second.previous.code, second.ended) == (1, 3, None)


def test_what_is_missing_is_looked_for_again_after_the_base_pause():
    seen = {"main": Seen(problem=Problem("ErrImagePull", "", 1000.0))}
    assert decide(pod(), seen, 1009.0, B).wake == 1010.0
    assert starts(pod(), seen, 1010.0) == ("main",)


def test_an_init_container_that_fails_for_good_fails_the_pod():
    of = pod(box(), init=[box("i")], restartPolicy="Never")
    seen = {"i": finished(1)}
    assert outcome(of, seen) == "Failed"
    assert decide(of, seen, 0, B).over


@pytest.mark.parametrize(("codes", "said"), [((0, 0), "Succeeded"), ((0, 2), "Failed")])
def test_a_pod_runs_its_course(codes, said):
    of = pod(box("a"), box("b"), restartPolicy="Never")
    seen = {"a": finished(codes[0]), "b": finished(codes[1])}
    assert outcome(of, seen) == said
    assert decide(of, seen, 0, B).over
    assert outcome(of, {"a": finished(codes[0]), "b": running()}) == ""


def test_sidecars_end_when_a_pod_has_run_its_course_the_last_first():
    of = pod(box(), init=[box("s1", **SIDECAR), box("s2", **SIDECAR)], restartPolicy="Never")
    seen = {"main": finished(0), "s1": running(), "s2": running()}
    assert stops(of, seen) == [("s2", 30.0)]
    assert stops(of, seen | {"s2": finished(0)}) == [("s1", 30.0)]


def test_deletion_ends_main_containers_then_sidecars():
    of = deleted(pod(box("a"), box("b"), init=[box("s", **SIDECAR)]), grace=7)
    seen = {"a": running(), "b": running(), "s": running()}
    assert stops(of, seen) == [("a", 7.0), ("b", 7.0)]
    assert stops(of, seen | {"a": finished(), "b": finished(137)}) == [("s", 7.0)]
    assert decide(of, dict.fromkeys(seen, finished()), 0, B).over


def test_nothing_starts_in_a_pod_that_is_deleted():
    plan = decide(deleted(pod()), {}, 0, B)
    assert plan.start == ()
    assert plan.over


def test_an_unhealthy_container_is_ended_with_the_grace_of_its_probe_or_pod():
    of = pod(terminationGracePeriodSeconds=9)
    assert stops(of, {"main": running(unhealthy="liveness")}) == [("main", 9.0)]
    assert stops(of, {"main": running(unhealthy="liveness", kill_grace=2)}) == [("main", 2.0)]
