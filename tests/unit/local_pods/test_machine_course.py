"""Whatever containers do, a pod keeps to its order and comes to its end: random courses of random pods."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from knet.local.pods.machine import Backoff, Ended, Seen, decide, outcome
from knet.local.pods.spec import Role, containers
from knet.local.pods.status import phase, status_of
from unit.local_pods.pods import box, deleted, pod

B = Backoff()
ENDS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from((0, 0, 1, 137)), st.integers(1, 700)), max_size=40
)


@st.composite
def pods(draw):
    init = [
        box(f"i{n}", **({"restartPolicy": "Always"} if sidecar else {}))
        for n, sidecar in enumerate(draw(st.lists(st.booleans(), max_size=3)))
    ]
    mains = [box(f"m{n}") for n in range(draw(st.integers(1, 2)))]
    return pod(*mains, init=init, restartPolicy=draw(st.sampled_from(("Always", "OnFailure", "Never"))))


class Course:
    """Does what is decided at once; containers end when the test says so."""

    def __init__(self, of):
        self.of, self.seen, self.now, self.stopped = of, {}, 1000.0, []

    def settle(self):
        while (plan := decide(self.of, self.seen, self.now, B)).start or plan.stop:
            for name in plan.start:
                self.start(name)
            for stop in plan.stop:
                self.stopped.append(stop.name)
                self.end(stop.name, 143)
        return plan

    def start(self, name):
        found = {c.name: c for c in containers(self.of)}
        known = self.seen.get(name, Seen())
        assert not known.running
        assert known.retry_at(B) <= self.now
        fresh = not any(self.seen.get(c.name) for c in found.values() if c.role is Role.MAIN)
        earlier = list(found.values())[: list(found).index(name)] if fresh else []
        for other in earlier:
            one = self.seen.get(other.name, Seen())
            if other.role is Role.INIT:
                assert one.ended
                assert one.ended.code == 0
            elif other.role is Role.SIDECAR:
                assert one.running
        self.seen[name] = known.begun("r", self.now, found[name])

    def end(self, name, code):
        known = self.seen[name]
        ended = Ended(code, "", "", 0, known.started, self.now, known.run)
        self.seen[name] = known.over(ended, B)

    def run(self, ends):
        for place, code, seconds in ends:
            plan = self.settle()
            self.now += seconds
            running = [name for name, one in self.seen.items() if one.running]
            if running:
                self.end(running[place % len(running)], code)
            elif plan.wake:
                self.now = max(self.now, plan.wake)
        return self.settle()


@given(pods(), ENDS)
def test_the_order_is_kept_and_nothing_waits_without_a_reason(of, ends):
    course = Course(of)
    plan = course.run(ends)
    status = status_of(of, course.seen, None, course.now, B)
    assert status["phase"] == phase(of, course.seen)
    if outcome(of, course.seen):
        assert plan.over
        assert not any(one.running for one in course.seen.values())
        assert of["spec"]["restartPolicy"] != "Always"
    else:
        assert plan.wake or any(one.running for one in course.seen.values())


@given(pods(), ENDS)
def test_a_deleted_pod_ends_sidecars_last_and_in_reverse(of, ends):
    course = Course(of)
    course.run(ends)
    running = [name for name, one in course.seen.items() if one.running]
    course.of, course.stopped = deleted(of), []
    assert course.settle().over
    roles = {c.name: c.role for c in containers(of)}
    assert sorted(course.stopped) == sorted(running)
    late = [name for name in course.stopped if roles[name] is Role.SIDECAR]
    assert course.stopped[len(course.stopped) - len(late) :] == late == sorted(late, reverse=True)


@given(st.integers(0, 1000), st.floats(0.01, 60), st.floats(1, 1000))
def test_pauses_never_shrink_and_have_an_end(ends, base, longest):
    backoff = Backoff(base, longest)
    assert 0 <= backoff.pause(ends) <= backoff.pause(ends + 1) <= longest
