"""`knet ci github` prints the workflow that docs/ci.md explains and the recipe test runs."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from knet.cli.main import cli
from knet.text import yaml
from support import ROOT


def run(*arguments):
    return CliRunner().invoke(cli, ["ci", "github", *arguments])


def test_the_example_is_what_the_command_prints():
    assert run().output == (ROOT / "examples/ci/github-workflow.yaml").read_text()


def test_options_go_into_the_workflow():
    (document,) = yaml.load_all(
        run("--path", "config/x", "--gateway", "istio", "--max-shift", "5", "--forbid", "").output
    )
    job = document.data["jobs"]["knet"]
    assert job["env"]["FILES"] == "config/x"
    assert job["env"]["OLD"].endswith(":config/x")
    guard = next(step["run"] for step in job["steps"] if step.get("name") == "Guard")
    assert guard.endswith("--max-shift 5")
    validate = next(step["run"] for step in job["steps"] if step.get("name") == "Validate")
    assert "--gateway istio" in validate


@pytest.mark.parametrize("arguments", [("--path", "a b"), ("--path", "/etc"), ("--forbid", "nonsense")])
def test_what_would_not_work_is_refused(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Invalid value" in result.output
