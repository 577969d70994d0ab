"""Where an object stands in a file, and the line and column of a field of it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from knet.errors import Source
from knet.text import yaml

MARKER = re.compile(rb"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_DIRECTIVE = re.compile(rb"^%[A-Z]+ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """An object in a file: the line its document starts on, and its path in a List (`items[3]`).

    With a `column` it is a spot already: nothing in it is looked for.
    """

    file: str
    line: int
    item: str = ""
    column: int = 0


def split(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(lines before it, text) for each document of a stream, cut at the `---` lines.

    A `---` at the start of a line is a document marker wherever it stands, even inside a string. A
    stream with directives stays in one piece.
    """
    cuts = [] if _DIRECTIVE.search(content) else [m.start() for m in MARKER.finditer(content)]
    lines = 0
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        piece = content[start:end]
        if piece:
            yield lines, piece
        lines += piece.count(b"\n")


def find(content: Callable[[str], bytes], wanted: Sequence[tuple[Place, str]]) -> list[Source]:
    """The Source of each (object, field); of the object's start where the field is not found.

    `content` gives the bytes of a file by name. A document is composed once, however much is asked of it.
    """
    by_document: dict[tuple[str, int], list[int]] = {}
    for i, (place, _) in enumerate(wanted):
        if not place.column:
            by_document.setdefault((place.file, place.line), []).append(i)
    cuts: dict[str, tuple[list[int], list[bytes]]] = {}
    found = {i: Source(p.file, p.line, p.column) for i, (p, _) in enumerate(wanted) if p.column}
    for (file, line), asked in by_document.items():
        if file not in cuts:
            pieces = list(split(content(file)))
            cuts[file] = [before for before, _ in pieces], [piece for _, piece in pieces]
        lines, texts = cuts[file]
        at = max(bisect_left(lines, line) - 1, 0)
        paths = [".".join(p for p in (wanted[i][0].item, wanted[i][1]) if p) for i in asked]
        try:
            spots = yaml.positions(texts[at], line - lines[at], *paths)
            sources = [Source(file, row + lines[at], column) for row, column in spots]
        except yaml.YamlError:
            # JSON that is no YAML (surrogate pairs, concatenated values): the object's first line
            sources = [Source(file, line, 1) for _ in asked]
        found |= dict(zip(asked, sources, strict=True))
    return [found[i] for i in range(len(wanted))]
