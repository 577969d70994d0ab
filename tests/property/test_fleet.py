"""All revisions in arrays, against each of them number by number: the same decisions, floats included."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knet.scaling.config import Config
from knet.scaling.fleet import Fleet
from knet.scaling.spec import PREFIX, PodAutoscaler, make_spec
from knet.scaling.stat import Stat
from scaling_oracle import Revision
from support import golden_names, golden_output, needs_golden

START_S = 946_684_800

annotations = st.fixed_dictionaries(
    {},
    optional={
        "window": st.sampled_from(["6s", "10s", "61s"]),
        "panic-window-percentage": st.sampled_from(["1", "10", "50"]),
        "panic-threshold-percentage": st.sampled_from(["110", "200", "1000"]),
        "metric": st.sampled_from(["concurrency", "rps"]),
        "target": st.sampled_from(["1", "2.5", "70"]),
        "target-burst-capacity": st.sampled_from(["-1", "0", "10"]),
        "activation-scale": st.sampled_from(["2", "5"]),
        "scale-down-delay": st.sampled_from(["1s", "7s"]),
        "metric-aggregation-algorithm": st.just("weighted-exponential"),
    },
)
specs = st.builds(
    lambda notes, cc, reachability: make_spec(
        PodAutoscaler({PREFIX + key: value for key, value in notes.items()}, cc, reachability),
        Config(),
        "revision-private",
    ),
    annotations,
    st.sampled_from([0, 0, 1, 10]),
    st.sampled_from(["", "Reachable", "Unreachable"]),
)
amounts = st.floats(0, 300, allow_nan=False) | st.sampled_from([0.0, 1.0, 0.1])
stats = st.builds(Stat, st.just("p"), amounts, st.just(0.0) | amounts, amounts, st.just(0.0) | amounts)
names = st.integers(0, 5)
moves = st.one_of(
    st.tuples(st.just("record"), st.dictionaries(names, stats, min_size=1)),
    st.tuples(st.just("record"), st.dictionaries(names, stats, min_size=1)),
    st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 2, 3, 5, 11, 59, 60, 61, 62])),
    st.tuples(st.just("decide"), st.dictionaries(names, st.sampled_from([-2, -1, 0, 1, 2, 9]))),
    st.tuples(st.just("put"), names, specs, st.integers(0, 3)),
    st.tuples(st.just("drop"), names),
)


@settings(max_examples=300)
@given(st.lists(specs, min_size=1, max_size=6), st.lists(moves, max_size=60))
def test_as_number_by_number(begun, moves):
    fleet: Fleet[int] = Fleet()
    alone: dict[int, Revision] = {}
    now = START_S
    for key, spec in enumerate(begun):
        fleet.put(key, spec, 1, now * 1000)
        alone[key] = Revision(spec, 1, now * 1000)
    for kind, *said in moves:
        if kind == "record":
            fleet.record(now, said[0])
            for key, stat in said[0].items():
                if key in alone:
                    alone[key].record(now, stat)
        elif kind == "pass":
            now += said[0]
        elif kind == "put":
            key, spec, ready = said
            fleet.put(key, spec, ready, now * 1000)
            if key in alone:
                alone[key].update(spec, now)
            else:
                alone[key] = Revision(spec, ready, now * 1000)
        elif kind == "drop":
            fleet.drop(said[0])
            alone.pop(said[0], None)
        else:
            compare(fleet, alone, said[0], now * 1000)
    compare(fleet, alone, {}, now * 1000)
    assert len(fleet) == len(alone)


def compare(fleet, alone, ready, now_ms):
    for key in alone:
        fleet.set_ready(key, ready.get(key, 1))
    before = {key: fleet.standing(key) for key in alone}
    changed = set(fleet.decide(now_ms))
    for key, revision in alone.items():
        expected = revision.decide(ready.get(key, 1), now_ms)
        got = fleet.standing(key)
        assert got.valid == (expected is not None)
        if expected is None:
            assert (got.desired, got.excess) == (before[key].desired, before[key].excess)
            assert key not in changed
            continue
        assert (got.desired, got.excess, got.panicking, got.stable, got.panic) == expected
        other = expected[0] != before[key].desired or (expected[1] < 0) != (before[key].excess < 0)
        assert (key in changed) == other


@needs_golden
@pytest.mark.parametrize("case", golden_names("kpa/traces/inputs"))
def test_the_judge_itself_against_the_reference(case):
    """The scalar oracle says what every reference trace does."""
    trace = golden_output(f"kpa/traces/inputs/{case}.json")
    expected = golden_output(f"kpa/traces/outputs/{case}.json")
    base = START_S * 1000 + trace["start_offset_ms"]
    said = [dataclasses.make_dataclass("Said", found)(**found) for found in expected["specs"]]
    revision = Revision(said[0], trace["initial_ready"], base)
    updates = {u["at_s"]: spec for u, spec in zip(trace.get("updates") or [], said[1:], strict=True)}

    def at(column, second):
        values = trace.get(column)
        return (values[second] if values else None) or 0

    tick = 0
    for second, _ in enumerate(trace["conc"]):
        if second in updates:
            revision.update(updates[second], base // 1000 + second)
        sample = base + second * 1000 + trace["sample_offset_ms"]
        for prefix in ("", "act_"):
            columns = [f"{prefix}conc", f"{prefix}rps"]
            if all(trace.get(c) is None or trace[c][second] is None for c in columns):
                continue
            proxied = [at(f"proxied_{c}", second) for c in ("conc", "rps")] if not prefix else [0, 0]
            stat = Stat("p", at(columns[0], second), proxied[0], at(columns[1], second), proxied[1])
            revision.record(sample // 1000, stat)
        if second % 2 == 0:
            now = max(base + second * 1000 + trace["tick_offset_ms"], sample)
            got = revision.decide(expected["ready"][tick], now)
            assert (got is not None) == bool(expected["valid"][tick])
            if got is not None:
                assert got[:2] == (expected["desired"][tick], expected["ebc"][tick])
                assert got[3:] == (expected["stable"][tick], expected["panic_value"][tick])
            tick += 1
