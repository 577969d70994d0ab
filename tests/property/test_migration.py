"""A migration between two gateways, killed and turned round anywhere: it ends where it was to end, and on the way every
request is served, through whichever gateway it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knet.rollout import migration
from knet.rollout.migration import Observed, Phase, Report, Step, decide

A, B = "istio", "kourier"


@dataclass
class Cluster:
    """What is remembered and what is there. `programmed`: by gateway, the KIngresses that it serves right now.

    `outside` is where the world's traffic comes in: people move it when they are told to.
    """

    ingresses: dict[str, str]
    state: migration.Migration | None = None
    chosen: str = A
    owned: frozenset[str] = frozenset()
    programmed: dict[str, set[str]] = field(default_factory=dict)
    reported: dict[str, Report] = field(default_factory=dict)
    outside: str = A

    def served_by(self, gateway):
        others = migration.served_classes(self.state, gateway)
        return {name for name, cls in self.ingresses.items() if cls == gateway or cls in others}

    def kept_by(self, gateway):
        """A controller takes its objects away where KIngresses have gone for good; else they stay."""
        gone = migration.abandoned(self.state, gateway)
        wanted = self.served_by(gateway)
        return {
            n
            for n in self.programmed[gateway]
            if n in wanted or (n in self.ingresses and self.ingresses[n] != gone)
        }

    def controllers(self, gateway):
        """One look of a controller: it programs one more KIngress, or takes away, and says how far it is."""
        self.programmed[gateway] = self.kept_by(gateway)
        missing = sorted(self.served_by(gateway) - self.programmed[gateway])
        if missing:
            self.programmed[gateway].add(missing[0])
        if self.state is not None:
            served = self.served_by(gateway)
            waiting = tuple(sorted(served - self.programmed[gateway]))
            turn, digest = self.state.turn, self.digest(served)
            self.reported[gateway] = Report(turn, digest, len(served), len(served) - len(waiting), waiting)

    @staticmethod
    def digest(names):
        return migration.digest({("default", name): 1 for name in names})

    def serving(self):
        """Serving's controllers write the class that is chosen into one KIngress that a Route makes."""
        behind = sorted(n for n in self.owned & self.ingresses.keys() if self.ingresses[n] != self.chosen)
        if behind:
            self.ingresses[behind[0]] = self.chosen

    def observed(self):
        state = self.state
        classes = {}
        for cls in self.ingresses.values():
            classes[cls] = classes.get(cls, 0) + 1
        lone = tuple(n for n, c in self.ingresses.items() if c == state.source and n not in self.owned)
        unready = frozenset(n for n, c in self.ingresses.items() if n not in self.programmed[c])
        left = [n for n in self.programmed[state.source] if self.ingresses.get(n) == state.target]
        return Observed(
            self.digest(self.ingresses),
            classes,
            self.chosen,
            dict(self.reported),
            unready,
            (),
            lone,
            (),
            tuple(left),
        )

    def carry_out(self, step):
        state = self.state
        if step is Step.CHOOSE:
            self.chosen = state.target
        elif step is Step.RECLASS:
            lone = [n for n, c in self.ingresses.items() if c == state.source and n not in self.owned]
            self.ingresses[lone[0]] = state.target  # one write: it may be killed before the next
        elif step is Step.ASK:
            self.state = replace(state, outside="")
        elif step is Step.CLOSE:
            self.state = migration.with_phase(state, Phase.CLOSING)
        elif step is Step.REOPEN:
            self.state = migration.with_phase(state, Phase.BOTH)
        elif step is Step.REMOVE:
            gone = [n for n in self.programmed[state.source] if self.ingresses.get(n) == state.target]
            self.programmed[state.source].discard(gone[0])
        elif step is Step.DONE:
            self.state = None

    def people(self):
        """They do what they are told."""
        if self.state is not None and not self.state.outside:
            self.outside = self.state.target
            self.state = replace(self.state, outside=self.state.target)

    def check(self, known):
        """Every KIngress that was there from the beginning is served where the world comes in, and where inside does."""
        for name in known & self.ingresses.keys():
            assert name in self.programmed[self.outside], (name, self)
            assert name in self.programmed[self.ingresses[name]], (name, self)


def begun(names, owned):
    made = Cluster(dict.fromkeys(names, A), owned=frozenset(owned), programmed={A: set(names), B: set()})
    made.state = migration.begin(A, B)
    return made


MOVES = ["step", "A", "B", "serving", "people", "back", "new"]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(MOVES), max_size=60),
    st.integers(min_value=0, max_value=4),
    st.integers(min_value=0, max_value=4),
)
def test_whatever_happens_on_the_way_everything_is_served_and_it_ends(moves, lone, owned):
    names = [f"lone-{i}" for i in range(lone)] + [f"owned-{i}" for i in range(owned)]
    cluster = begun(names, [n for n in names if n.startswith("owned")])
    known = frozenset(names)
    for i, move in enumerate(moves):
        if move == "back" and cluster.state is not None:
            cluster.state = cluster.state.returned()
        elif move == "new":
            cluster.ingresses[f"new-{i}"] = cluster.chosen
        else:
            one(cluster, move)
        cluster.check(known)
    finish(cluster, known)


def one(cluster, move):
    if move == "step" and cluster.state is not None:
        # whoever decides may have been killed just now: all it knows is what it reads
        known = migration.load(migration.dump(cluster.state))
        cluster.carry_out(decide(known, cluster.observed()).step)
    elif move in "AB":
        cluster.controllers({"A": A, "B": B}[move])
    elif move == "serving":
        cluster.serving()
    elif move == "people":
        cluster.people()


def finish(cluster, known):
    """Everybody does what is theirs until it is done: it ends at the target, and nothing of the source is left."""
    target = cluster.state.target if cluster.state else cluster.chosen
    source = A if target == B else B
    for _ in range(400):
        if cluster.state is None:
            break
        for move in ("A", "B", "serving", "people", "step"):
            one(cluster, move)
            cluster.check(known)
    assert cluster.state is None, decide(cluster.state, cluster.observed())
    for _ in range(2 * len(cluster.ingresses) + 2):
        one(cluster, "A")
        one(cluster, "B")
        one(cluster, "serving")
    assert set(cluster.ingresses.values()) <= {target}
    assert cluster.chosen == target
    assert cluster.outside == target
    assert not {n for n in cluster.programmed[source] if cluster.ingresses.get(n) == target}
    assert set(cluster.ingresses) <= cluster.programmed[target]


STAGES = ["programming", "switching", "moving", "removing"]


@pytest.mark.parametrize("stage", STAGES)
def test_back_out_at_each_stage_restores(stage):
    cluster = begun(["a", "b", "c"], ["c"])
    known = frozenset(cluster.ingresses)
    moves = ["step", "A", "B", "serving", *(["people"] if stage == "removing" else [])]
    for i in range(400):
        if decide(cluster.state, cluster.observed()).stage == stage:
            break
        one(cluster, moves[i % len(moves)])
    assert decide(cluster.state, cluster.observed()).stage == stage
    cluster.state = cluster.state.returned()
    finish(cluster, known)
    assert cluster.chosen == A
    assert set(cluster.ingresses.values()) == {A}
    assert cluster.programmed == {A: set(known), B: set()}
    assert cluster.outside == A


def seen(**changed):
    good = Report(1, "d", 2, 2)
    base = Observed("d", {A: 2}, A, {A: good, B: good}, frozenset(), (), (), (), ())
    return replace(base, **changed)


M = migration.begin(A, B)


@pytest.mark.parametrize(
    ("known", "observed", "step", "said"),
    [
        (
            M,
            seen(reports={}),
            Step.WAIT,
            "nothing is heard of a controller of kourier: knet install --beside",
        ),
        (M, seen(digest="e"), Step.WAIT, "controller of kourier has not looked"),
        (
            M,
            seen(reports={A: Report(1, "c", 2, 2), B: Report(1, "d", 2, 2)}),
            Step.WAIT,
            "controller of istio has not",
        ),
        (
            M,
            seen(reports={A: Report(1, "d", 2, 2), B: Report(1, "d", 2, 1, ("default/x",), ("no pods",))}),
            Step.WAIT,
            r"1 of 2 are served by kourier; not yet: default/x \(no pods\)",
        ),
        # what was broken before holds nobody up
        (
            M,
            seen(reports={g: Report(1, "d", 2, 1, ("default/x",)) for g in (A, B)}),
            Step.CHOOSE,
            "serves all",
        ),
        # of a plugin of somebody else's no report comes: the statuses tell
        (
            M,
            seen(reports={B: Report(1, "d", 2, 1, ("default/x",))}, unready=frozenset({"default/x"})),
            Step.CHOOSE,
            "serves all",
        ),
        (M, seen(differences=("http://a/",)), Step.HOLD, "would decide 1 requests otherwise: http://a/"),
        (replace(M, accepted=True), seen(differences=("http://a/",)), Step.CHOOSE, "serves all"),
        (M, seen(chosen=B, lone=("default/x",)), Step.RECLASS, "1 KIngresses"),
        (M, seen(chosen=B, named=("Service default/x",)), Step.HOLD, "name the class of istio themselves"),
        (M, seen(chosen=B), Step.WAIT, "2 KIngresses are of the class of istio still"),
        (M, seen(chosen=B, classes={B: 2}, unready=frozenset({"default/x"})), Step.WAIT, "do not say yet"),
        (M, seen(chosen=B, classes={B: 2}), Step.ASK, "yours to move"),
        (replace(M, outside=""), seen(chosen=B, classes={B: 2}), Step.HOLD, "--confirm-traffic-moved"),
        (replace(M, outside=B), seen(chosen=B, classes={B: 2}), Step.CLOSE, "nobody comes"),
        (replace(M, phase=Phase.CLOSING), seen(classes={B: 2}, leftovers=("x",)), Step.REMOVE, "1 objects"),
        (replace(M, phase=Phase.CLOSING), seen(classes={A: 1, B: 1}), Step.REOPEN, "have come since"),
        (replace(M, phase=Phase.CLOSING), seen(classes={B: 2}), Step.DONE, "nothing of istio is left"),
    ],
)
def test_decisions(known, observed, step, said):
    made = decide(known, observed)
    assert made.step is step
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(made.reason)


def test_what_is_kept_comes_back():
    for state in (M, replace(M, outside=B), replace(M, phase=Phase.CLOSING).returned()):
        assert migration.load(migration.dump(state)) == state
    report = Report(1, "d", 3, 1, ("a/b", "a/c"), ("why",))
    assert migration.load_report(migration.dump_report(report)) == report
    for bad in ("", "{}", '{"source": "a"}', "[]"):
        with pytest.raises(ValueError, match=r"."):
            migration.load(bad)
        with pytest.raises(ValueError, match=r"."):
            migration.load_report(bad)
