"""`knet diff` as a pull-request comment: a table of hosts, and the objects folded away."""

from __future__ import annotations

from collections.abc import Iterator

from knet.cli import diff_words as words
from knet.cli.diff_text import shown
from knet.cli.diff_words import Report
from knet.files.compare import GatewayDiff
from knet.routing.diff import Kind
from knet.text.tree import MISSING

MARKER = "<!-- knet-diff -->"
"""The first line, by which a workflow finds its own comment again."""
MOST = 60_000
"""GitHub refuses comments of more than 65,536 characters."""
MOST_HOSTS = 200


def markdown(report: Report) -> str:
    """The comment; empty if nothing differs."""
    if not report:
        return ""
    parts = [f"{MARKER}\n### knet: {_text(words.summary(report))}\n"]
    parts += [f"> [!CAUTION]\n> {_text(str(d.message))}\n" for d in report.violations]
    if report.hosts:
        parts.append("".join(_hosts(report)))
    if report.impacts:
        parts.append("".join(f"- {_text(words.impact(i))}\n" for i in report.impacts))
    room = MOST - sum(map(len, parts))
    written = {"cluster": GatewayDiff(report.written)} if report.written else {}
    for name, found in (written | report.gateways).items():
        block = _gateway(name, found, room)
        room -= len(block)
        parts.append(block)
    return "\n".join(parts)


def _hosts(report: Report) -> Iterator[str]:
    yield "| | host | route | change |\n|---|---|---|---|\n"
    for host in report.hosts[:MOST_HOSTS]:
        sign = "➕" if host.has(Kind.HOST_ADDED) else "➖" if host.has(Kind.HOST_REMOVED) else "✏️"
        name = words.names(host.hosts)
        if fate := words.fate(host, report):
            name += f", {fate}"
        for change in host.changes:
            place = words.route(change.match)
            yield f"| {sign} | {_text(name)} | {_code(place)} | {_text(words.say(change))} |\n"
            sign = name = ""
    if (rest := len(report.hosts) - MOST_HOSTS) > 0:
        yield f"| | and {rest} more | | |\n"


def _gateway(name: str, found: GatewayDiff, room: int) -> str:
    head = (
        f"<details><summary>{_text(name)}: {words.tally(found.objects) or 'no object changed'}</summary>\n\n"
    )
    lines = [*_lines(found)]
    body: list[str] = []
    for i, line in enumerate(lines):
        room -= len(line) + 1
        if room < 500:
            body.append(f"… {len(lines) - i} more lines: knet diff prints them")
            break
        body.append(line)
    fenced = "\n".join(body)
    return f"{head}````diff\n{fenced}\n````\n\n</details>\n"


def _lines(found: GatewayDiff) -> Iterator[str]:
    for key in found.left_out:
        yield _fenced(f"! left out because of an error: Ingress {'/'.join(key)}")
    for changed in found.objects.changed:
        yield _fenced(f"  {changed.identity}")
        for edit in changed.edits:
            if edit.old is not MISSING:
                yield _fenced(f"-   {edit.path}: {shown(edit.old)}")
            if edit.new is not MISSING:
                yield _fenced(f"+   {edit.path}: {shown(edit.new)}")
    yield from (_fenced(f"+ {identity}") for identity in found.objects.added)
    yield from (_fenced(f"- {identity}") for identity in found.objects.removed)
    if count := found.objects.following:
        yield f"  {words.count(count, 'value')} that only follow{'s' * (count == 1)} (hashes)"


def _fenced(text: str) -> str:
    return words.plain(text).replace("````", "'''' ")


def _text(text: str) -> str:
    """Text in which nothing is Markdown or HTML, and nobody is mentioned."""
    out = words.plain(text).replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#" else c for c in out).replace("&\\#64;", "&#64;")


def _code(text: str) -> str:
    clean = words.plain(text).replace("`", "'").replace("|", "\\|")
    return f"`{clean}`" if clean else ""
