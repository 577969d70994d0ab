"""A Go template's text into pieces, and an action into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from knet.text import json
from knet.text.gotemplate_functions import TemplateError

_SPACE = " \t\r\n"
_TOKEN = re.compile(
    r"""
    (?P<constant> "(?:[^"\\\n]|\\.)*" | `[^`]*` | '(?:[^'\\]|\\.)' | [+-]?\d[\w.]* (?:(?<=[eE])[+-]\d+)? )
  | (?P<variable> \$\w*(?:\.\w+)* )
  | (?P<field> (?:\.\w+)+ | \. )
  | (?P<word> [^\W\d]\w* )
  | (?P<mark> := | [=|(),] )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or the inside of an action."""

    text: str
    action: bool


@dataclass(frozen=True, slots=True)
class Token:
    """One word of an action. `kind`: constant, variable, field, word or mark; `spaced`: space before it."""

    kind: str
    text: str
    spaced: bool
    value: Any = None


def pieces(text: str) -> list[Piece]:
    """Literal text and actions, in order, with trim markers applied and comments gone."""
    out: list[Piece] = []
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        literal = text[at:] if start < 0 else text[at:start]
        if trim:
            literal = literal.lstrip(_SPACE)
        if start < 0:
            out.append(Piece(literal, action=False))
            return [p for p in out if p.action or p.text]
        inside, at = _action(text, start + 2)
        if inside.startswith("-") and inside[1:2] in tuple(_SPACE):
            literal, inside = literal.rstrip(_SPACE), inside[1:]
        trim = inside.endswith("-") and inside[-2:-1] in tuple(_SPACE)
        if trim:
            inside = inside[:-1]
        out.append(Piece(literal, action=False))
        if not inside.strip(_SPACE).startswith("/*"):
            out.append(Piece(inside, action=True))


def _action(text: str, start: int) -> tuple[str, int]:
    """The inside of an action that begins at `start`, and where the text goes on."""
    i, quote = start, ""
    if text[start:].lstrip("-" + _SPACE).startswith("/*"):
        closed = text.find("*/", start)
        end = text.find("}}", closed)
        if closed < 0 or end < 0:
            raise TemplateError("unclosed comment")
        return text[start:end], end + 2
    while i < len(text):
        c = text[i]
        if quote:
            if c == "\\" and quote != "`":
                i += 1
            elif c == quote:
                quote = ""
        elif c in "\"'`":
            quote = c
        elif text.startswith("}}", i):
            return text[start:i], i + 2
        i += 1
    raise TemplateError("unclosed action")


def tokens(text: str) -> list[Token]:
    """The words of an action. Raises TemplateError at what is none."""
    out: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in _SPACE:
            at += 1
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise TemplateError(f"unexpected {text[at]!r} in action")
        kind = found.lastgroup or ""
        spaced = at == 0 or text[at - 1] in _SPACE
        out.append(_token(kind, found[0], spaced=spaced))
        at = found.end()
    return out


def _token(kind: str, text: str, *, spaced: bool) -> Token:
    if kind == "word" and text in ("true", "false", "nil"):
        return Token("constant", text, spaced, {"true": True, "false": False, "nil": None}[text])
    if kind != "constant":
        return Token(kind, text, spaced)
    return Token(kind, text, spaced, _constant(text))


def _constant(text: str) -> Any:
    if text[0] == "`":
        return text[1:-1]
    try:
        if text[0] == '"':
            return json.loads(text)
        if text[0] == "'":
            return ord(json.loads(f'"{text[1:-1]}"'))
        return float(text) if any(c in text for c in ".eE") and "x" not in text else int(text, 0)
    except ValueError:
        raise TemplateError(f"bad constant {text}") from None
