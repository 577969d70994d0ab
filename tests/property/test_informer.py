"""Any interleaving of edits, gaps, lost history and bookmarks ends with store == server."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from knet.kube.sync import Sync

NAMES = st.sampled_from(["a", "b", "c", "d"])


class Following(RuleBasedStateMachine):
    """A server with a history that it forgets, and a client that sees some of it, late."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.objects: dict[str, dict] = {}
        self.history: list[tuple[str, dict]] = []
        self.kept_from = 0
        self.sync = Sync()
        self.heard: dict[tuple[str, str], object] = {}
        self.listed = False

    def _stamp(self, name: str, kind: str) -> None:
        self.version += 1
        item = {"metadata": {"namespace": "default", "name": name, "resourceVersion": str(self.version)}}
        if kind == "DELETED":
            del self.objects[name]
        else:
            self.objects[name] = item
        self.history.append((kind, item))

    def _hear(self, changes) -> None:
        for change in changes:
            assert self.heard.get(change.key) == change.old, "a handler sees what it saw before as old"
            assert change.old != change.new
            if change.new is None:
                del self.heard[change.key]
            else:
                self.heard[change.key] = change.new

    @rule(name=NAMES)
    def write(self, name):
        self._stamp(name, "MODIFIED" if name in self.objects else "ADDED")

    @rule(name=NAMES)
    def delete(self, name):
        if name in self.objects:
            self._stamp(name, "DELETED")

    @rule()
    def forget_history(self):
        self.kept_from = self.version

    @rule()
    def list_anew(self):
        self._hear(self.sync.listed(list(self.objects.values()), str(self.version)))
        self.listed = True

    @rule(most=st.integers(1, 5), again=st.booleans())
    def watch(self, most, again):
        """A connection that brings up to `most` events and breaks; a proxy may bring some a second time."""
        if not self.listed:
            return
        since = int(self.sync.resource_version)
        if since < self.kept_from:
            self.list_anew()  # 410
            return
        for kind, item in self.history[since : since + most]:
            self._hear(self.sync.event(kind, item))
            if again:
                self._hear(self.sync.event(kind, item))

    @rule()
    def bookmark(self):
        """Says how far the server is; true only for a client that has heard everything."""
        if self.listed and int(self.sync.resource_version) == self.version:
            item = {"metadata": {"resourceVersion": str(self.version)}}
            self._hear(self.sync.event("BOOKMARK", item))

    @invariant()
    def store_is_what_handlers_heard(self):
        assert dict(self.sync.store) == self.heard

    def teardown(self):
        while not self.listed or int(self.sync.resource_version) < self.version:
            if self.listed:
                self.watch(5, again=False)
            else:
                self.list_anew()
        assert dict(self.sync.store) == {("default", n): o for n, o in self.objects.items()}


TestFollowing = Following.TestCase
