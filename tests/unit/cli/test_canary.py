"""`knet canary` without a cluster: plans, steps in files, the view and the page."""

from __future__ import annotations

import io
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

from knet.cli import canary_view
from knet.cli.canary import command
from knet.cli.canary_report import page
from knet.cli.canary_watch import _view
from knet.errors import KnetError
from knet.rollout.samples import MOST, Sample, Side, dump, load, thinned
from knet.text import json

CANARY = """
apiVersion: knet.dev/v1alpha1
kind: Canary
metadata: {name: hello}
spec:
  service: hello
  interval: 2m
  steps: [{weight: 5}, {weight: 25, pause: approval}, {weight: 50, pause: 1h30m}]
  windows: [{days: [Mon, Tue], from: "09:00", to: "17:00"}]
  hooks: [{name: smoke, url: "http://smoke", when: after, weights: [5]}]
"""
SERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello  # ours
spec:
  template:
    spec:
      containers: [{image: hello}]
  traffic:
    # the old one
    - revisionName: hello-00001
      percent: 95
    - latestRevision: true
      percent: 5
"""


def run(*arguments: str):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_plan_in_words_and_as_commits(tmp_path):
    (tmp_path / "canary.yaml").write_text(CANARY)
    said = run("plan", "-f", str(tmp_path / "canary.yaml")).output
    assert "hello: 4 steps, 1h34m at the least" in said
    assert "2. 25 %; then waits for 2m and an approval" in said
    assert "the hook smoke after it" in said
    assert "steps only Mon,Tue 09:00-17:00 UTC" in said
    assert "knet canary step hello -f service.yaml --to 50" in said
    told = json.loads(run("plan", "-f", str(tmp_path / "canary.yaml"), "-o", "json").output)
    assert [s["weight"] for s in told["steps"]] == [5, 25, 50, 100]


def test_what_a_plan_does_not_know_is_named_with_what_it_does(tmp_path):
    path = tmp_path / "canary.yaml"
    path.write_text(CANARY.replace("interval: 2m", "intervall: 2m").replace("{weight: 5}", "{weight: x}"))
    with pytest.raises(KnetError) as found:
        run("plan", "-f", str(path))
    said = [f"{d.field}: {d.message} ({d.hint})" for d in found.value.diagnostics]
    assert said == [
        'spec.steps[0].weight: must be a whole number, not "x" (write a whole number)',
        'spec.intervall: unknown field "intervall" (did you mean interval?)',
    ]


def test_a_step_in_a_file_keeps_what_people_wrote(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text(SERVICE)
    patch = run("step", "hello", "-f", str(path), "--to", "25", "--dry-run").output
    assert "+      percent: 75" in patch
    assert path.read_text() == SERVICE
    assert "@latest now has 25 %" in run("step", "hello", "-f", str(path), "--to", "25").output
    assert path.read_text() == SERVICE.replace("95", "75").replace("percent: 5\n", "percent: 25\n")
    assert run("step", "hello", "-f", str(path)).exit_code == 2
    assert run("step", "hello", "--to", "25").exit_code == 2


def test_a_step_in_a_file_with_one_service_needs_no_name(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text(SERVICE)
    assert "@latest now has 25 %" in run("step", "-f", str(path), "--to", "25").output
    path.write_text(f"{SERVICE}---\n{SERVICE.replace('hello', 'other')}")
    with pytest.raises(KnetError, match="more than one object"):
        run("step", "-f", str(path), "--to", "30")
    assert "@latest now has 30 %" in run("step", "other", "-f", str(path), "--to", "30").output
    assert run("step").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["start", "hello", "--steps", "5,x"], "no list of percentages"),
        (["start", "hello", "--steps", "50,5"], "5 does not rise over 50"),
        (["start", "hello", "--interval", "soon"], "invalid duration"),
        (["start", "hello", "--header", "X Canary"], "is not NAME=VALUE"),
        (["set", "hello", "101"], "101 is not in the range"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(arguments, said):
    found = run(*arguments)
    assert found.exit_code == 2
    assert said in found.output


def test_the_definition_can_be_printed():
    said = run("crd").output
    assert "canaries.knet.dev" in said
    assert "maxDuration" in said


def item(phase="RolledBack"):
    history = [
        {"time": f"2026-11-28T05:0{i}:00Z", "phase": "Progressing", "weight": w, "reason": "Step",
         "message": f"to {w} %", "canary": "hello-00002"}
        for i, w in enumerate((5, 25))
    ]  # fmt: skip
    history.append(
        {
            "time": "2026-11-28T05:03:30Z",
            "phase": phase,
            "weight": 0,
            "reason": "ErrorRate",
            "message": "5.10 % of the canary's requests fail, <script>0 %</script> of the stable revision's",
            "canary": "hello-00002",
        }
    )
    side = {"requests": 1000, "errors": 3, "p50": 12.0, "p99": 40.0}
    return {
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"service": "hello", "steps": [{"weight": 5}, {"weight": 25}]},
        "status": {
            "phase": phase,
            "weight": 0,
            "stableRevision": "hello-00001",
            "canaryRevision": "hello-00002",
            "reason": "ErrorRate",
            "message": history[-1]["message"],
            "history": history,
            "analysis": {
                "stable": side,
                "canary": side | {"errors": 51},
                "errorEvidence": 12.2,
                "latencyEvidence": -0.5,
            },
        },
    }


def samples(count=22):
    start = 1795842000.0  # 2026-11-28T05:00:00Z
    return [
        Sample(
            start + 10 * i,
            5 if i < 6 else 25,
            Side(950 - 20 * (i % 3), i % 2, 12 + i % 3, 11, 15, 41 + i % 5, 38, 55),
            Side(50 if i < 6 else 250, (i > 5) * (10 + i % 4), 13 + i % 2, 11, 18, 44 + i % 7, 36, 70),
        )
        for i in range(count)
    ]


def test_the_view_says_what_is_there():
    told = canary_view.data(item(), samples())
    text = "\n".join(line for _, line in canary_view.lines(told))
    assert "hello-00001 → hello-00002" in text
    assert "RolledBack" in text
    assert "5.10 % fail" in text
    assert "ErrorRate: 5.10 % of the canary's requests fail" in text
    assert "failures 2e+05 to 1" in text
    assert told["steps"] == [5, 25, 100]
    assert len(canary_view.bar(30, [5, 50])) == 50
    assert canary_view.spark([0.0, None, 1.0], 1.0) == "▁·█"
    assert canary_view.spark([0.0, 0.0], 0.0) == "▁▁"
    empty = canary_view.data({"metadata": {"name": "a"}, "spec": {"service": "a"}})
    assert empty["phase"] == "Idle"
    assert canary_view.lines(empty)[3][1] == "no rollout yet"


def test_the_live_view_fits_a_terminal():
    told = canary_view.data(item("Progressing"), samples())
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(_view(told))
    text = console.export_text()
    assert "canary" in text.splitlines()[0]
    assert all(len(line) <= 110 for line in text.splitlines())
    assert "05:03:30    0 %  ErrorRate: 5.10 %" in text
    assert text.count("errors ") == 2


def test_the_page_stands_alone_and_says_what_happened():
    said = page(item(), samples())
    assert "http://" not in said
    assert "https://" not in said
    assert "<script>" not in said
    assert said.count("<svg") == 4
    assert "RolledBack at 0 %" in said
    assert "hello-00001" in said
    numbers = [float(x) for x in re.findall(r'c[xy]="([-0-9.]+)"', said)]
    assert all(0 <= n <= 860 for n in numbers)
    assert "Nothing has been decided" in page({**item(), "status": {}}, [])


def test_samples_are_thinned_without_losing_requests():
    many = [s._replace(time=float(i)) for i, s in enumerate(samples(1) * 1000)]
    made = thinned(many)
    assert len(made) <= MOST
    assert sum(s.canary.requests for s in made) == sum(s.canary.requests for s in many)
    assert load(json.loads(json.dumps(dump(made)))) == tuple(made)
    assert [s.time for s in made] == sorted(s.time for s in made)
    assert thinned(many[:5]) == many[:5]
