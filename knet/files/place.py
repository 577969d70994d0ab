"""Where an object stands in a file, and the line and column of a field of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knet.errors import Source
from knet.text import yaml

MARKER = re.compile(rb"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_DIRECTIVE = re.compile(rb"^%", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """An object in a file: the line its document starts on, and its path in a List (`items[3]`)."""

    file: str
    line: int
    item: str = ""


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


def find(content: bytes, place: Place, fields: Sequence[str]) -> list[Source]:
    """The Source of each field of an object; of the object's start where the field is not found."""
    piece, before = _piece(content, place.line)
    paths = [".".join(p for p in (place.item, field) if p) for field in fields]
    try:
        spots = _spots(piece, place.line - before, paths)
    except yaml.YamlError:
        # JSON that is no YAML (surrogate pairs, concatenated values): the object's first line
        return [Source(place.file, place.line, 1) for _ in fields]
    return [Source(place.file, line + before, column) for line, column in spots]


def _piece(content: bytes, line: int) -> tuple[bytes, int]:
    best = (content, 0)
    for before, piece in split(content):
        if before >= line:
            break
        best = (piece, before)
    return best


def _spots(piece: bytes, line: int, paths: list[str]) -> list[tuple[int, int]]:
    """Positions in the document of a piece that starts on `line`."""
    index = 0
    while True:
        start, *spots = yaml.positions(piece, index, "", *paths)
        if start[0] >= line:
            return spots
        index += 1
