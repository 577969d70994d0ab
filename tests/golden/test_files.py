"""Reading golden files by the path of the commands gives the world that the other tests use."""

from __future__ import annotations

import pytest

from knet.files import compose, load
from support import golden_env, golden_input, golden_names, needs_golden, world


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/inputs", "*.yaml"))
def test_a_case_is_read_without_errors_into_its_world(case):
    text = golden_env("kourier") + "\n" + golden_input(case, "kourier")
    loaded = load(["-"], stdin=text.encode())
    assert [d for d in loaded.diagnostics if d.severity == "error"] == []
    assert not loaded.invalid
    assert compose(loaded).world == world(text)


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/lenient/inputs", "*.yaml"))
def test_lenient_cases_are_left_out_unless_asked_for(case):
    text = golden_input(case, "istio", "kingress/lenient/inputs")
    loaded = load(["-"], stdin=text.encode())
    assert not compose(loaded).world.ingresses
    assert compose(loaded, lenient=True).world == world(text)


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/invalid", "*.yaml"))
def test_every_error_of_an_invalid_case_has_its_line(case):
    text = golden_input(case, "istio", "kingress/invalid")
    loaded = load(["-"], stdin=text.encode())
    assert {d.code for d in loaded.diagnostics} == {"KNET101"}
    lines = text.splitlines()
    for d in loaded.diagnostics:
        key = d.field.rpartition(".")[2].partition("[")[0]
        at = lines[d.source.line - 1].strip().removeprefix("- ").partition(":")[0]
        # what is missing has no line: its nearest parent has, whose first line may be any key of it
        assert at == key or d.message.startswith("missing"), (d, at)
