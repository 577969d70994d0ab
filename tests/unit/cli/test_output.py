"""Findings on a terminal, and the bar that is shown when reading lasts."""

from __future__ import annotations

import io

import pytest

from knet import checks
from knet.cli import common, output
from knet.errors import Severity


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_terminals_get_colours_unless_they_or_their_user_refuse(monkeypatch):
    assert output.coloured(Terminal())
    assert not output.coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.coloured(Terminal())


def test_only_severity_and_code_are_coloured():
    out = Terminal()
    output.report([checks.INVALID("is bad")], stream=out)
    assert out.getvalue() == "\033[1;31merror KNET101\033[0m: is bad\n"


@pytest.mark.parametrize(
    ("how", "shown"), [({"quiet": True}, ["e"]), ({}, ["e", "w"]), ({"verbose": True}, ["e", "w", "n"])]
)
def test_quiet_shows_errors_and_verbose_notes_too(how, shown):
    given = [
        checks.INVALID("n", severity=Severity.NOTE),
        checks.INVALID("w", severity=Severity.WARNING),
        checks.INVALID("e"),
    ]
    out = io.StringIO()
    output.report([*given, *given], stream=out, **how)
    assert [line[-1] for line in out.getvalue().splitlines()] == shown


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(common.time, "monotonic", lambda: now[0])
    return now


def test_the_bar_appears_after_a_second_and_goes_when_all_is_read(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    progress = common.Progress()
    progress(10, 1000)
    assert screen.getvalue() == ""
    clock[0] = 1.5
    progress(500, 1000)
    assert "reading" in screen.getvalue()
    progress(1000, 1000)
    assert screen.getvalue().endswith("\x1b[2K")


def test_there_is_no_bar_where_nobody_looks(clock, monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stderr", pipe)
    progress = common.Progress()
    clock[0] = 9
    progress(500, 1000)
    progress(1000, 1000)
    assert pipe.getvalue() == ""
