"""A work queue: one at a time for each key, nothing added is lost, failures wait longer and longer."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from knet.kube.schedule import Schedule

KEYS = st.sampled_from("abc")


class Queue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.schedule: Schedule[str] = Schedule(first=1, longest=8)
        self.working: set[str] = set()
        self.owed: set[str] = set()
        """Keys that were added and not taken since."""
        self.failures: dict[str, int] = {}

    @rule(key=KEYS, wait=st.floats(0, 10))
    def add(self, key, wait):
        self.schedule.add(key, self.now + wait)
        self.owed.add(key)

    @rule(step=st.floats(0, 5))
    def time_passes(self, step):
        self.now += step

    @rule()
    def take(self):
        key = self.schedule.take(self.now)
        if key is None:
            at = self.schedule.next_at()
            assert at is None or at > self.now
            return
        assert key not in self.working
        assert key in self.owed
        self.working.add(key)
        self.owed.discard(key)

    @rule(key=KEYS, failed=st.booleans())
    def finish(self, key, failed):
        if key not in self.working:
            return
        self.working.discard(key)
        self.schedule.done(key, self.now, failed=failed)
        if failed:
            self.owed.add(key)
            at = self.schedule.next_at()
            assert at is not None
            self.failures[key] = self.failures.get(key, 0) + 1
        else:
            self.failures.pop(key, None)

    @invariant()
    def idle_says_so(self):
        assert self.schedule.idle == (not self.working and not self.owed)

    def teardown(self):
        for key in list(self.working):
            self.finish(key, failed=False)
        self.now += 1e6
        while (key := self.schedule.take(self.now)) is not None:
            self.owed.discard(key)
            self.schedule.done(key, self.now)
        assert not self.owed


TestQueue = Queue.TestCase
