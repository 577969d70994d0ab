"""`knet diff` for programs: JSON, GitHub annotations, JUnit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from knet import checks
from knet.backends.objects import ObjectsDiff
from knet.cli import diff_words as words
from knet.cli import output
from knet.cli.diff_words import Report
from knet.errors import Diagnostic, ObjectRef, Severity, Source
from knet.files import locate
from knet.files.compare import GatewayDiff
from knet.model.kingress import KIND
from knet.routing.diff import Change, HostDiff
from knet.text import json
from knet.text.tree import MISSING


def located(report: Report, found: list[tuple[HostDiff, Diagnostic]]) -> tuple[Diagnostic, ...]:
    """Diagnostics about hosts, each with its place: on the new side, or else on the old one."""
    owned = [replace(d, about=ObjectRef(KIND, *(h.new or h.old or ("", "")))) for h, d in found]
    newer = [host.new is not None for host, _ in found]
    places: dict[bool, Iterator[Diagnostic]] = {}
    for side, is_new in ((report.found.new, True), (report.found.old, False)):
        mine = [d for d, n in zip(owned, newer, strict=True) if n is is_new]
        places[is_new] = iter(locate(mine, side.loaded, side.composed.parents))
    return tuple(next(places[n]) for n in newer)


def as_json(report: Report) -> str:
    """One document, also where nothing differs; its fields are described in docs/ci.md."""
    body = {
        "same": not report,
        "summary": words.summary(report),
        "hosts": _hosts(report),
        "configMaps": [
            {
                "namespace": i.config.namespace,
                "name": i.config.name,
                "keys": i.keys,
                "hosts": i.hosts,
                "objects": dict(i.objects),
            }
            for i in report.impacts
        ],
        **({} if report.applied is None else {"cluster": _objects(report.written)}),
        "gateways": {name: _gateway(g) for name, g in report.gateways.items()},
        "guards": {name: [output.to_dict(d) for d in found] for name, found in (report.guards or {}).items()},
        "errors": [output.to_dict(d) for d in (*report.found.broken, *report.found.fresh)],
    }
    return json.pretty(body) + "\n"


def _hosts(report: Report) -> list[dict[str, Any]]:
    asked = [(host, checks.DIFFERENT("", field=c.where)) for host in report.hosts for c in host.changes]
    places = iter(located(report, asked))
    out = []
    for host in report.hosts:
        sides = {side: "/".join(key) for side, key in (("old", host.old), ("new", host.new)) if key}
        changes = [{**_change(c), **_place(next(places).source)} for c in host.changes]
        out.append({"hosts": host.hosts, "ingress": sides, "changes": changes})
    return out


def _change(change: Change) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": change.kind.value}
    if change.visibilities:
        out["visibilities"] = [v.value for v in change.visibilities]
    if change.match:
        out["match"] = {"path": change.match.path, "headers": dict(change.match.headers)}
    out |= {k: v for k, v in (("subject", change.subject), ("old", change.old), ("new", change.new)) if v}
    if change.shifts:
        out["shifts"] = [
            {
                "namespace": s.destination.namespace,
                "service": s.destination.service,
                "port": s.destination.port,
                "old": s.old,
                "new": s.new,
            }
            for s in change.shifts
        ]
    return out


def _place(source: Source | None) -> dict[str, Any]:
    return {"file": source.file, "line": source.line} if source else {}


def _gateway(found: GatewayDiff) -> dict[str, Any]:
    return {**_objects(found.objects), "leftOut": ["/".join(key) for key in found.left_out]}


def _objects(found: ObjectsDiff) -> dict[str, Any]:
    return {
        "added": [_identity(i) for i in found.added],
        "removed": [_identity(i) for i in found.removed],
        "changed": [
            {
                **_identity(c.identity),
                "edits": [
                    {"path": e.path}
                    | ({} if e.old is MISSING else {"old": e.old})
                    | ({} if e.new is MISSING else {"new": e.new})
                    for e in c.edits
                ],
                "following": c.following,
            }
            for c in found.changed
        ],
    }


def _identity(identity: ObjectRef) -> dict[str, str]:
    return {"kind": identity.kind, "namespace": identity.namespace, "name": identity.name}


def as_github(report: Report) -> str:
    """Workflow commands: a notice where a change is written, an error where a guard refuses it."""
    notes = [
        (host, checks.DIFFERENT(_said(host, change), field=change.where))
        for host in report.hosts
        for change in host.changes
    ]
    # the message says it all: whose host, and how
    told = [replace(d, about=None, field="") for d in located(report, notes)]
    found = [*told, *report.violations, *report.found.broken, *report.found.fresh]
    return output.as_github([_in_repository(d) for d in dict.fromkeys(found)])


def _said(host: HostDiff, change: Change) -> str:
    return f"{words.names(host.hosts)} {words.route(change.match)}: {words.say(change)}".replace(" :", ":")


def _in_repository(diagnostic: Diagnostic) -> Diagnostic:
    """With the path of the file itself, where it was read from a revision."""
    source = diagnostic.source
    if source is None or not source.file.startswith("git:"):
        return diagnostic
    path = source.file.split(":", 2)[2]
    return diagnostic.at(Source(path, source.line, source.column))


def as_junit(report: Report) -> str:
    """One test case for each guard, and one for the inputs themselves."""
    suite = ET.Element("testsuite", name="knet diff")
    cases = list(_cases(report))
    for name, found in cases:
        case = ET.SubElement(suite, "testcase", classname="knet.diff", name=name)
        if found:
            failure = ET.SubElement(case, "failure", message=output_text(found[0]))
            failure.text = "\n".join(map(output_text, found))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(found) for _, found in cases)))
    ET.SubElement(suite, "system-out").text = words.plain(words.summary(report))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _cases(report: Report) -> Iterator[tuple[str, list[Diagnostic]]]:
    bad = [d for d in (*report.found.broken, *report.found.fresh) if d.severity is Severity.ERROR]
    yield "inputs are in order", bad
    for name, found in (report.guards or {}).items():
        yield name, list(found)


def output_text(diagnostic: Diagnostic) -> str:
    return words.plain(str(diagnostic))
