"""`knet diff` for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from knet.backends.objects import ChangedObject, brief
from knet.cli import diff_words as words
from knet.cli.diff_words import Report
from knet.files.compare import GatewayDiff
from knet.routing.diff import HostDiff, Kind
from knet.text.tree import MISSING, Edit

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
WIDE = 60


class Paint:
    """Puts colours around words, or nothing."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, *codes: str) -> str:
        text = words.plain(text)
        return f"\033[{';'.join(codes)}m{text}\033[0m" if self.colour and text else text


def text(report: Report, *, colour: bool = False) -> str:
    """The whole report; empty if nothing differs."""
    if not report:
        return ""
    paint = Paint(colour=colour)
    parts = ["\n".join(_host(host, report, paint)) for host in report.hosts]
    parts += ["\n".join(_impacts(report, paint))] if report.impacts else []
    parts += ["\n".join(_gateway("cluster", GatewayDiff(report.written), paint))] if report.written else []
    parts += ["\n".join(_gateway(name, found, paint)) for name, found in report.gateways.items()]
    return "\n\n".join([*parts, paint(words.summary(report), BOLD)]) + "\n"


def _host(host: HostDiff, report: Report, paint: Paint) -> Iterator[str]:
    sign, colour = "~", YELLOW
    if host.has(Kind.HOST_ADDED):
        sign, colour = "+", GREEN
    elif host.has(Kind.HOST_REMOVED):
        sign, colour = "-", RED
    first, more = host.hosts[0], host.hosts[1:]
    also = paint(f"  also {words.listing(more)}", DIM) if more else ""
    yield f"{paint(sign, colour)} {paint(first, BOLD)}{also}"
    if fate := words.fate(host, report):
        yield f"    {paint(fate, RED)}"
    places = [words.route(c.match) for c in host.changes]
    width = min(max(map(len, places)), WIDE)
    for change, place in zip(host.changes, places, strict=True):
        lead = f"{words.plain(place):<{width}}  " if width else ""
        yield f"    {lead}{paint(words.say(change), colour)}"


def _impacts(report: Report, paint: Paint) -> Iterator[str]:
    for found in report.impacts:
        yield f"{paint('!', YELLOW)} {paint(words.impact(found))}"


def _gateway(name: str, found: GatewayDiff, paint: Paint) -> Iterator[str]:
    yield paint(f"{name}: {words.tally(found.objects) or 'no object changed'}", BOLD)
    for key in found.left_out:
        yield f"  {paint('left out:', RED)} {paint('Ingress ' + '/'.join(key))}, because of an error"
    for changed in found.objects.changed:
        yield f"  {paint('~', YELLOW)} {paint(str(changed.identity))}"
        yield from (f"      {line}" for line in _edits(changed, paint))
    for identity in found.objects.added:
        yield f"  {paint('+', GREEN)} {paint(str(identity))}"
    for identity in found.objects.removed:
        yield f"  {paint('-', RED)} {paint(str(identity))}"
    if count := found.objects.following:
        yield paint(f"  {words.count(count, 'value')} that only follow{'s' * (count == 1)} (hashes)", DIM)


def _edits(changed: ChangedObject, paint: Paint) -> Iterator[str]:
    for edit in changed.edits:
        yield f"{paint(edit.path)}: {_change(edit, paint)}"


def _change(edit: Edit, paint: Paint) -> str:
    if edit.old is MISSING:
        return paint(f"+ {shown(edit.new)}", GREEN)
    if edit.new is MISSING:
        return paint(f"- {shown(edit.old)}", RED)
    return f"{paint(shown(edit.old), RED)} → {paint(shown(edit.new), GREEN)}"


def shown(value: object) -> str:
    """A value in one line; what is long is counted."""
    from knet.text import json

    if isinstance(value, dict | list):
        whole = json.dumps(value).decode()
        return whole if len(whole) <= 2 * WIDE else brief(value)
    return brief(value)
