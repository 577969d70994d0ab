"""Diagnostics as text, JSON, GitHub annotations and SARIF. Pure: data in, text out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO
from urllib.parse import quote

import knet
from knet.errors import Check, Diagnostic, Severity
from knet.text import json

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, line and column; those without a place first; repeats once."""

    def key(d: Diagnostic) -> tuple[Any, ...]:
        place = (d.source.file, d.source.line, d.source.column) if d.source else ("", 0, 0)
        return *place, _WEIGHT[d.severity], d.code, d.gateway, str(d.about), d.field, d.message

    return sorted(dict.fromkeys(diagnostics), key=key)


def coloured(stream: TextIO) -> bool:
    """Whether colours belong on a stream: a terminal, and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One finding as one line of text, `file:line:col: error KNET101: …`."""
    text = printable(str(diagnostic))
    if not colour:
        return text
    head = f"{diagnostic.severity} {diagnostic.code}"
    return text.replace(head, f"\033[1;{_COLOURS[diagnostic.severity]}m{head}\033[0m", 1)


def printable(text: str) -> str:
    """Text without line breaks and terminal control sequences that an input may hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def report(
    diagnostics: Iterable[Diagnostic],
    *,
    quiet: bool = False,
    verbose: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Prints findings on stderr: errors and warnings; errors alone if quiet; notes too if verbose."""
    out = stream or sys.stderr
    colour = coloured(out)
    most = 0 if quiet else 2 if verbose else 1
    for diagnostic in ordered(diagnostics):
        if _WEIGHT[diagnostic.severity] <= most:
            print(line(diagnostic, colour=colour), file=out)


def counts(diagnostics: Sequence[Diagnostic]) -> dict[str, int]:
    """How many of each severity."""
    return {s.value: sum(d.severity is s for d in diagnostics) for s in Severity}


def as_text(diagnostics: Sequence[Diagnostic], *, colour: bool = False) -> str:
    return "".join(line(d, colour=colour) + "\n" for d in diagnostics)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    body = {"diagnostics": [to_dict(d) for d in diagnostics], "summary": counts(diagnostics)}
    return json.pretty(body) + "\n"


def to_dict(d: Diagnostic) -> dict[str, Any]:
    """One finding as plain data; what is unknown is left out."""
    out: dict[str, Any] = {
        "code": d.code,
        "title": d.check.title,
        "severity": d.severity.value,
        "message": d.message,
    }
    if d.about:
        out["object"] = {"kind": d.about.kind, "namespace": d.about.namespace, "name": d.about.name}
    out |= {k: v for k, v in (("field", d.field), ("hint", d.hint), ("gateway", d.gateway)) if v}
    if d.source:
        out |= {"file": d.source.file, "line": d.source.line, "column": d.source.column}
    return out


def as_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that annotate the lines of a pull request."""
    return "".join(_annotation(d) + "\n" for d in diagnostics)


def _annotation(d: Diagnostic) -> str:
    places = {"title": f"{d.code} {d.check.title}"}
    if d.source:
        places = {"file": d.source.file, "line": str(d.source.line), "col": str(d.source.column), **places}
    head = ",".join(f"{k}={_property(v)}" for k, v in places.items() if v != "0")
    return f"::{_GITHUB[d.severity]} {head}::{_data(_story(d))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _story(d: Diagnostic) -> str:
    """The finding in words, without its place and code."""
    who = f"{d.about}: " if d.about else ""
    gateway = f"[{d.gateway}] " if d.gateway else ""
    field = f"{d.field}: " if d.field and d.field not in d.message else ""
    return f"{gateway}{who}{field}{d.message}" + (f" ({d.hint})" if d.hint else "")


def as_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """SARIF 2.1.0, as code scanning services take it."""
    rules = sorted({d.check for d in diagnostics}, key=lambda c: c.code)
    driver = {
        "name": "knet",
        "version": knet.__version__,
        "rules": [_rule(c) for c in rules],
    }
    results = [_result(d, rules.index(d.check)) for d in diagnostics]
    body = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.pretty(body) + "\n"


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.code,
        "shortDescription": {"text": check.title},
        "help": {"text": f"docs/checks.md explains {check.code}, and says how to mend it."},
        "defaultConfiguration": {"level": check.severity.value},
    }


def _result(d: Diagnostic, index: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": index,
        "level": d.severity.value,
        "message": {"text": _story(d)},
    }
    if d.source:
        physical: dict[str, Any] = {"artifactLocation": {"uri": quote(d.source.file)}}
        if d.source.line:
            physical["region"] = {"startLine": d.source.line, "startColumn": max(d.source.column, 1)}
        out["locations"] = [{"physicalLocation": physical}]
    return out
