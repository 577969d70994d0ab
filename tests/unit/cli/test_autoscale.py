"""`knet autoscale simulate`: the reference's own output, a table, a picture, and what is no trace."""

from __future__ import annotations

import json
import re
import sys

import pytest

from knet.cli.autoscale import table
from knet.scaling.simulate import complete, run
from support import GOLDEN, golden_names, golden_output, needs_golden

SPIKE = {
    "pa": {"annotations": {"autoscaling.knative.dev/target": "10"}},
    "conc": [0, 0, 5, 5, 90, 90, 90, 90, 0, 0],
}


@needs_golden
@pytest.mark.parametrize("case", golden_names("kpa/traces/inputs")[:3])
def test_the_reference_s_output(knet, case):
    made = knet("autoscale", "simulate", "-f", str(GOLDEN / f"kpa/traces/inputs/{case}.json"), "-o", "json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout) == golden_output(f"kpa/traces/outputs/{case}.json")


def test_a_table_of_what_changes(knet, tmp_path):
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({**SPIKE, "ready_delay_s": 2, "initial_ready": 1}))
    made = knet("autoscale", "simulate", "-f", str(file))
    assert made.exit_code == 0, made.stderr
    head, *lines = made.stdout.splitlines()
    assert head.split() == ["time", "ready", "stable", "panic", "desired", "burst"]
    assert lines[0].split()[:2] == ["0.0s", "1"]
    assert any("panic" in line for line in lines)
    every = knet("autoscale", "simulate", "-f", str(file), "--all").stdout.splitlines()
    assert len(every) == 1 + len(SPIKE["conc"]) // 2


def test_the_least_that_a_trace_has_to_say():
    made = run({"conc": [1.0, 200.0, 200.0]})
    assert made["t_ms"] == [0, 2000]
    assert made["desired"][0] == 1
    assert table(made, everything=True)[1].split()[0] == "0.0s"


def test_seconds_without_data():
    lines = table(run({"conc": [None, None, 3.0]}), everything=False)
    assert lines[1].endswith("nothing to decide from")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ({}, "conc: a trace needs one number for each second"),
        ({"conc": ["x"]}, "conc: a list of numbers"),
        ({"conc": [1], "rps": [1, 2]}, "lists of one length"),
        ({"conc": [1, 2], "ready": [1]}, "ready: a number for each of the 2 seconds"),
        ({"conc": [1], "start_offset_ms": "0"}, "start_offset_ms: a whole number"),
        ({"conc": [1], "pa": {"annotations": {"a": 1}}}, "pa.annotations: texts by name"),
        ({"conc": [1], "updates": [{}]}, "updates: a list of"),
        ({"conc": [1], "updates": [{"at_s": 0, "pa": 1}]}, "updates[0].pa: "),
    ],
)
def test_what_is_no_trace(trace, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        complete(trace)


def test_errors_say_what_and_where(knet, tmp_path):
    assert "nowhere.json" in knet("autoscale", "simulate", "-f", "nowhere.json").stderr
    file = tmp_path / "trace.json"
    file.write_text('{"conc": [1], "config": {"config-autoscaler": {"stable-window": "1s"}}}')
    made = knet("autoscale", "simulate", "-f", str(file))
    assert made.exit_code == 2
    assert "stable-window = 1s, must be in [6s; 1h0m0s] range" in made.stderr
    file.write_text("[]")
    assert "one JSON or YAML object" in knet("autoscale", "simulate", "-f", str(file)).stderr


def test_without_matplotlib_a_picture_says_what_to_install(knet, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(SPIKE))
    made = knet("autoscale", "simulate", "-f", str(file), "--plot", str(tmp_path / "out.png"))
    assert made.exit_code == 2
    assert "pip install 'knet[plot]'" in made.stderr
    assert not (tmp_path / "out.png").exists()
